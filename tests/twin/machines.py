"""Shared by the tests of machines: an ordinary concrete, what has left a feeder, a busy line."""

from __future__ import annotations

from twin.design.load import load_design
from twin.design.site import SitePlan

# One cubic metre of an ordinary concrete.
CONCRETE = {"cement": 280.0, "fly_ash": 55.0, "slag": 60.0, "sand": 760.0, "stone": 1050.0, "water": 170.0, "admixture": 9.2, "fines": 0.0}


def charge(m3):
    return {species: kg * m3 for species, kg in CONCRETE.items()}


def dosed(rig, feeder="Sand1"):
    """What has left a feeder: in the air and on the scale."""
    return rig.kg(f"Feeder.{feeder}.Falling") + rig.kg(f"Weigher.{feeder}")


def busy(rig):
    """Everything that moves, moves: mixer, belt, a gate, a screw, a hopper, the door."""
    rig.put("Mixer", **charge(2))
    rig.put("Hopper.Waiting", stone=6000)
    for tag in ("Mixer.Run", "Belt.Run", "Feeder.Sand1.Coarse", "Feeder.Cement1.Coarse", "Weigher.Water.Discharge", "Hopper.Waiting.Open"):
        rig[tag] = 1
    rig["Mixer.Door"] = 20
    rig.play(4)
    assert rig["Mixer.Running"] and rig["Belt.Running"] and rig["Feeder.Sand1.Open"] and rig["Feeder.Cement1.Open"]
    assert not rig["Hopper.Waiting.GateClosed"] and not rig["Mixer.DoorClosed"] and not rig["Weigher.Water.GateClosed"]


def design_with(name, **site):
    """A packaged design with other entries in its site plan."""
    design = load_design(name)
    return design.model_copy(update={"site": SitePlan.model_validate(design.site.model_dump() | site)})
