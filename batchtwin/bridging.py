"""`batchtwin bridge`: a plant coupled with a PLC that is an OPC UA server only."""

from __future__ import annotations

import asyncio
import signal
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchtwin import show
from batchtwin.play import LARGEST_SEED, folder_of, lasts_of
from batchtwin.serving import login, quiet
from scenarios.schema import Scenario, load_scenario
from scenarios.session import Session
from twin.design.load import load_design
from twin.design.schema import Design
from twin.errors import BatchtwinError
from twin.plant import Plant

if TYPE_CHECKING:
    from opcua_server.address.texts import Text
    from opcua_server.clients.bridge import BridgeReport

LABELS = {"en": ("exchanges", "cycle time", "late", "connection", "refused", "cut to type"),
          "zh": ("交换次数", "周期时间", "迟到", "连接", "拒绝", "截断")}  # fmt: skip
TEXTS = {
    "en": ("{cycles}", "p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms, longest {max_ms:.1f} ms", "{late} not over before the plant's next scan",
           "lost and found again {reconnects} times, {without_s:.1f} s of the plant's time without the PLC",
           "{bad_values} values of the PLC were not taken, {write_errors} of ours were refused", "{cut} values"),
    "zh": ("{cycles}", "p50 {p50_ms:.1f} ms，p99 {p99_ms:.1f} ms，最长 {max_ms:.1f} ms", "{late} 次未在下一扫描前完成",
           "重连 {reconnects} 次，无 PLC 共 {without_s:.1f} 秒（仿真时间）", "未采用 PLC 值 {bad_values} 个，被拒写入 {write_errors} 个", "{cut} 个值"),
}  # fmt: skip


def bridge(scenario: str, design: str | None, plc: str, map_file: Path, *, speed: str = "1", until: str | None = None, scan_s: float = 0.1, seed: int | None = None,
           out: Path | None = None, record: bool = True, operator: bool = True, user: str = "", certificate: Path | None = None, quietly: bool = False,
           language: str = "en") -> dict[str, Any]:  # fmt: skip
    """Couple a run with a PLC until it ends, or until Ctrl-C.

    Args:
        plc: `opc.tcp://HOST:PORT`.
        map_file: CSV, see `opcua_server.clients.iomap`.
        speed: times real time, or `max` for lock-step.
        scan_s: period of the exchange, s simulated.
        quietly: tell nothing on the way.

    Returns:
        The outcome of the run, with the figures of the exchange as `bridge`; its state is `cut` when Ctrl-C ended it.

    Raises:
        BatchtwinError: wrong input, the PLC does not answer, or a node does not fit (then there is no folder).
    """
    from opcua_server.clients.bridge import load_map

    quiet()
    plan, plant = load_scenario(scenario, design)
    if seed is not None and not 0 <= seed <= LARGEST_SEED:
        raise BatchtwinError("E101", where="--seed", problem=f"{seed} is out of range", mend=f"give 0 to {LARGEST_SEED}")
    until_s = lasts_of(until, plan) if until is not None else None
    rows = load_map(map_file, Plant(plant).table)
    who = login(user, certificate)

    def tell(text: Text) -> None:
        if not quietly:
            print(text.zh if language == "zh" else text.en, flush=True)

    stem = f"{plan.name}-{plan.seed if seed is None else seed}"
    with folder_of(out, stem) if record else nullcontext() as folder:
        return asyncio.run(_play(plan, plant, seed, until_s, operator, folder, plc, rows, who, tell, speed, scan_s))


async def _play(plan: Scenario, plant: Design, seed: int | None, until_s: float | None, operator: bool, folder: Path | None, plc: str, rows: Any, who: Any,
                tell: Any, speed: str, scan_s: float) -> dict[str, Any]:  # fmt: skip
    """The run, on the event loop."""
    from opcua_server.address.texts import Text
    from opcua_server.clients.bridge import Bridge

    live = Session(plan, plant, seed=seed, until_s=until_s, operator=operator)

    def ready() -> None:
        if folder is not None:
            live.record(folder)
            tell(Text(f"run: {folder}", f"运行记录：{folder}"))
        tell(Text("Ctrl-C ends it", "Ctrl-C 结束"))

    coupled = Bridge(live, plc, rows, who, tell, ready=ready, speed=speed, scan_s=scan_s)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, coupled.stop)
    try:
        report = await coupled.run()
    finally:
        outcome = live.close()
    if live.state == "failed":
        raise BatchtwinError("E401", problem=live.trouble, mend="mend that and play again")
    return outcome | {"bridge": report.as_dict()}


def summary(report: BridgeReport | dict[str, Any], language: str) -> None:
    """Print the figures of the exchange."""
    figures = report if isinstance(report, dict) else report.as_dict()
    lines = [text.format(**figures) for text in TEXTS[language]]
    show.facts(list(zip(LABELS[language], lines, strict=True)), "PLC")


def template(design: str | None) -> str:
    """A map of a design's tags with empty nodes, `hzs180` when None."""
    from opcua_server.clients.bridge import bridge_template

    return bridge_template(Plant(load_design(design or "hzs180")).table)
