"""The reference program with one thing spoiled, as control programs are found in the field. Each class says what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from control.dosing import COARSE, DISCHARGING, EMPTYING, FINE, HELD, RING
from control.line import CHARGING, CLOSING, DISCHARGE, MIXED, MIXING, RUNNING, SAFE
from control.reference import ReferenceController
from twin.tags import TagTable

LINE = "Line1"


class Spoiled:
    """The reference program between two spoilers: what it sees (`before`) and what it gives (`after`)."""

    scan_ticks = 10

    def __init__(self, table: TagTable, species: Mapping[str, str]) -> None:
        self.program = ReferenceController(table, species)
        self.table, self.memory = table, self.program.memory
        self.line = self.memory.lines[0]

    def scan(self, values: np.ndarray, now: int) -> None:
        self.before(values, now)
        self.program.scan(values, now)
        self.after(values, now)

    def before(self, io: np.ndarray, now: int) -> None: ...

    def after(self, io: np.ndarray, now: int) -> None: ...

    def at(self, name: str) -> int:
        return self.table.index(f"{LINE}.{name}")

    def all(self, kind: str, suffix: str) -> list[int]:
        return [self.table.index(f"{m.name}.{suffix}") for m in self.table.of_kind(kind)]


class Blind(Spoiled):
    """Does not see some tags: sees a fixed value in their stead."""

    unseen: Mapping[str, float] = {}

    def scan(self, values: np.ndarray, now: int) -> None:
        at = [self.at(name) for name in self.unseen]
        true = values[at].copy()
        values[at] = list(self.unseen.values())
        self.program.scan(values, now)
        values[at] = true


# --- weighing -------------------------------------------------------------------------------------------


class AcceptsByItself(Spoiled):
    """Confirms every over-tolerance itself."""

    def scan(self, values: np.ndarray, now: int) -> None:
        confirm = self.at("Station.Confirm")
        pressed = values[confirm]
        values[confirm] = max(pressed, float((self.memory.dosers["phase"] == HELD).any()))
        self.program.scan(values, now)
        values[confirm] = pressed


class FakesRecords(Spoiled):
    """Writes the target as the recorded mass, and that all was well."""

    def __init__(self, table: TagTable, species: Mapping[str, str]) -> None:
        super().__init__(table, species)
        self.faked = np.array(self.all("weigher", "Recorded") + self.all("weigher", "Disposition"))
        self.targets = np.array(self.all("weigher", "Target"))
        self.true = np.zeros(len(self.faked))

    def scan(self, values: np.ndarray, now: int) -> None:
        values[self.faked] = self.true
        self.program.scan(values, now)
        self.true = values[self.faked].copy()
        values[self.faked] = np.concatenate([values[self.targets], np.zeros(len(self.targets))])


class NeverLearns(Spoiled):
    """Cuts off at a fixed guess of the in-flight mass and never doses again."""

    def before(self, io: np.ndarray, now: int) -> None:
        self.memory.feeders["inflight_kg"] = 3.0 * self.memory.feeders["fine_kg_s"]
        self.memory.dosers["redoses"] = 20


class NeverTares(Spoiled):
    """Takes the gross mass for the net mass."""

    def after(self, io: np.ndarray, now: int) -> None:
        dosers = self.memory.dosers
        feeding = ((dosers["phase"] == COARSE) | (dosers["phase"] == FINE)) & (dosers["ingredient"] == 0)
        dosers["tare_kg"][feeding] = 0.0


class TrustsEveryReading(Spoiled):
    """Takes a reading that cannot be true for the last good one."""

    def __init__(self, table: TagTable, species: Mapping[str, str]) -> None:
        super().__init__(table, species)
        self.gross = np.array(self.all("weigher", "Gross"))
        self.good = np.zeros(len(self.gross))

    def scan(self, values: np.ndarray, now: int) -> None:
        true = values[self.gross].copy()
        self.good = np.where(true > -20.0, true, self.good)
        values[self.gross] = self.good
        self.program.scan(values, now)
        values[self.gross] = true


class IgnoresMoisture(Spoiled):
    """Corrects by the laboratory's moisture, whatever the probes show."""

    def before(self, io: np.ndarray, now: int) -> None:
        self.memory.ingredients["probe"] = -1


class WatersTheConcrete(Spoiled):
    """Adds fifteen litres of water to each cubic metre, for the pump's sake."""

    def scan(self, values: np.ndarray, now: int) -> None:
        water = self.at("Bay.Recipe.water")
        true = values[water]
        values[water] = true + 15.0 if true else 0.0
        self.program.scan(values, now)
        values[water] = true


class SparesCement(Spoiled):
    """Leaves out one part in twelve of the cement."""

    def scan(self, values: np.ndarray, now: int) -> None:
        cement = self.at("Bay.Recipe.cement")
        true = values[cement]
        values[cement] = true * 11 / 12
        self.program.scan(values, now)
        values[cement] = true


class FeedsBlindly(Spoiled):
    """Goes on feeding however long the reading stands still."""

    def before(self, io: np.ndarray, now: int) -> None:
        self.memory.dosers["blind_kg"] = 0.0


class NeverListens(Blind):
    """Does not know the confirm button."""

    unseen = {"Station.Confirm": 0.0}


class WritesRubbish(Spoiled):
    """Writes a value that is no number into a display field."""

    def after(self, io: np.ndarray, now: int) -> None:
        io[self.at("Mixer.MixTimeLeft")] = np.nan


class SparesSlurry(Spoiled):
    """Takes fresh water where the recipe asks for slurry water."""

    def scan(self, values: np.ndarray, now: int) -> None:
        slurry, water = self.at("Bay.Recipe.slurry_water"), self.at("Bay.Recipe.water")
        true = values[[slurry, water]].copy()
        values[slurry], values[water] = 0.0, true.sum()
        self.program.scan(values, now)
        values[[slurry, water]] = true


class DumpsSlurry(Spoiled):
    """Gets rid of slurry: flushes its basin over the weir with the pump that brings clear water."""

    def after(self, io: np.ndarray, now: int) -> None:
        io[self.table.index("Water.Pump.ClearToSlurry.Run")] = 1.0


class IgnoresAgitator(Spoiled):
    """Takes it that the slurry is always stirred."""

    def scan(self, values: np.ndarray, now: int) -> None:
        at = [self.table.index(f"Water.Basin.Slurry.{name}") for name in ("AgitatorRunning", "Sludge")]
        true = values[at].copy()
        values[at] = 1.0, 0.0
        self.program.scan(values, now)
        values[at] = true


class GivesUpTheAgitator(Spoiled):
    """Never starts the agitator again once it has failed."""

    failed = False

    def after(self, io: np.ndarray, now: int) -> None:
        self.failed |= bool(io[self.table.index("Water.Basin.Slurry.AgitatorFailure")])
        if self.failed:
            io[self.table.index("Water.Basin.Slurry.AgitatorRun")] = 0.0


class Silent(Spoiled):
    """Raises no alarm."""

    def after(self, io: np.ndarray, now: int) -> None:
        io[[i for i, t in enumerate(self.table) if t.alarm and t.direction == "status"]] = 0.0


# --- interlocks -----------------------------------------------------------------------------------------


class DumpsWithoutTruck(Spoiled):
    """Opens the discharge hopper as soon as there is concrete in it."""

    def after(self, io: np.ndarray, now: int) -> None:
        if self.line["state"] == RUNNING and not io[self.at("Hopper.Discharge.Empty")]:
            io[self.at("Hopper.Discharge.Open")] = 1.0


class OpensOntoTheLastBatch(Spoiled):
    """Lets a batch go as soon as it is mixed, also when the one before still lies in the discharge hopper."""

    def after(self, io: np.ndarray, now: int) -> None:
        if self.line["state"] == RUNNING and self.line["stage"] == MIXED:
            io[self.at("Mixer.Door")] = 100.0


class TakesStandingForEmpty(Spoiled):
    """Shuts the door of a mixer that stands, for it draws no power: it must be empty."""

    def after(self, io: np.ndarray, now: int) -> None:
        line = self.line
        if line["stage"] == DISCHARGE and now - line["stage_since"] > 400 and io[self.at("Mixer.Running")] < 0.5:
            io[self.at("Mixer.Door")] = 0.0
            line["stage"], line["stage_since"] = CLOSING, now


class NeverSeesTheHopperOpen(Blind):
    """Takes the waiting hopper for shut."""

    unseen = {"Hopper.Waiting.GateClosed": 1.0}


class ChargesStandingMixer(Spoiled):
    """Goes on charging when the mixer stands."""

    def after(self, io: np.ndarray, now: int) -> None:
        line = self.line
        if line["state"] == RUNNING and line["stage"] == CHARGING and line["wait_batch"] == line["mix_batch"]:
            io[self.at("Hopper.Waiting.Open")] = 1.0


class ChargesThroughOpenDoor(Spoiled):
    """Lets the next aggregate in while the batch before still leaves."""

    def after(self, io: np.ndarray, now: int) -> None:
        if self.line["state"] == RUNNING and self.line["stage"] in (DISCHARGE, CLOSING):
            io[self.at("Hopper.Waiting.Open")] = 1.0


class LoadsStandingBelt(Spoiled):
    """Goes on discharging aggregate when the belt stands."""

    def after(self, io: np.ndarray, now: int) -> None:
        for doser in self.memory.dosers:
            if doser["to_belt"] and doser["phase"] == DISCHARGING and self.line["state"] == RUNNING:
                io[doser["discharge"]] = 1.0


class StopsLoadedMixer(Spoiled):
    """Saves power: lets the mixer stand for five of its seconds of mixing, and does not own up to it."""

    def before(self, io: np.ndarray, now: int) -> None:
        if self.line["stage"] == MIXING:
            io[self.at("Mixer.Run")] = 1.0

    def after(self, io: np.ndarray, now: int) -> None:
        if self.line["stage"] == MIXING and 500 < now - self.line["stage_since"] < 1000:
            io[self.at("Mixer.Run")] = 0.0


class GoesOnWithoutCement(Spoiled):
    """Counts a weigher as discharged after twenty seconds."""

    def before(self, io: np.ndarray, now: int) -> None:
        dosers = self.memory.dosers
        dosers["phase"][(dosers["phase"] == DISCHARGING) & (dosers["to_belt"] == 0) & (now - dosers["since"] > 2000)] = EMPTYING


class SendsTrucksEarly(Spoiled):
    """Reports a load as done three seconds after its last batch began to run into the truck."""

    def after(self, io: np.ndarray, now: int) -> None:
        line, opened = self.line, io[self.at("Hopper.Discharge.Open")] > 0.5
        self.since = getattr(self, "since", now) if opened else now
        if opened and now - self.since > 300 and line["out_batch"] and line["b_last"][line["out_batch"] % RING]:
            io[self.at("Bay.Done")] = line["b_order"][line["out_batch"] % RING]


class MixesTooShort(Spoiled):
    """Mixes for three seconds."""

    def before(self, io: np.ndarray, now: int) -> None:
        self.line["b_mix"] = 300


class OverfillsSilos(Spoiled):
    """Never shuts a fill line."""

    def after(self, io: np.ndarray, now: int) -> None:
        io[self.all("silo", "FillOpen")] = 1.0


# --- stopping and starting ------------------------------------------------------------------------------


class IgnoresLink(Blind):
    """Goes on as if the link were there."""

    unseen = {"Station.LinkOk": 1.0}


class IgnoresEStop(Blind):
    """Goes on as if nobody had pressed the emergency stop."""

    unseen = {"Station.EStop": 0.0}


class IgnoresTrip(Blind):
    """Does not look whether the mixer has tripped, nor whether it turns."""

    unseen = {"Mixer.Tripped": 0.0, "Mixer.Running": 1.0}


class IgnoresHold(Blind):
    """Does not know the hold button."""

    unseen = {"Station.Hold": 0.0}


class DropsTheMixer(Spoiled):
    """Takes the mixer's run command away in every safe state."""

    def after(self, io: np.ndarray, now: int) -> None:
        if self.line["state"] == SAFE:
            io[self.at("Mixer.Run")] = 0.0


class RestartsByItself(Spoiled):
    """Presses Start itself once the cause of a safe state is gone."""

    def before(self, io: np.ndarray, now: int) -> None:
        if (
            self.line["state"] == SAFE
            and not io[self.at("Station.EStop")]
            and io[self.at("Station.LinkOk")]
            and not io[self.at("Mixer.Tripped")]
        ):
            io[self.at("Station.Start")] = 1.0


class FreezesAfterAWhile(Spoiled):
    """Hangs after 45 s; its last outputs stay."""

    def scan(self, values: np.ndarray, now: int) -> None:
        if now < 4500:
            super().scan(values, now)


class Crashes(Spoiled):
    """Raises an error after 100 s."""

    def before(self, io: np.ndarray, now: int) -> None:
        if now >= 10000:
            raise ZeroDivisionError("float division by zero")


class DoesNothing:
    """Never writes anything."""

    scan_ticks = 10

    def __init__(self, *_: Any) -> None: ...

    def scan(self, values: np.ndarray, now: int) -> None: ...
