"""The observer: after each scan it looks at plant and image and notes what the run must keep.

It stands outside plant and controller: true masses come from the ledger, what the scale said from the load cell,
what the controller recorded from its tags. Buffers are emptied by `scenarios.tables`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.clock import TICKS_PER_S
from twin.engine import ALARMS, FULL, LOADS
from twin.equipment import aggregate_bin, mixer, weigher
from twin.jit import njit
from twin.kernels.mixing import concrete_volume_m3, slump_mm, water_binder
from twin.ledger import N_SPECIES
from twin.plant import Plant

WEIGHING = np.dtype(
    [("tick", "i8"), ("line", "i4"), ("weigher", "i4"), ("feeder", "i4"), ("batch", "i8"), ("target_kg", "f8"), ("true_kg", "f8"), ("shown_kg", "f8"),
     ("recorded_kg", "f8"), ("disposition", "i4"), ("redoses", "i4"), ("scale_error_kg", "f8"), ("faulty", "i4"), ("moisture", "f8"), ("moisture_seen", "f8"), ("drawn_from_kg", "f8"), ("drawn_to_kg", "f8")]
)  # fmt: skip

BATCH = np.dtype(
    [("tick", "i8"), ("line", "i4"), ("number", "i8"), ("batch", "i8"), ("kg", "f8", N_SPECIES), ("volume_m3", "f8"), ("water_binder", "f8"),
     ("slump_mm", "f8"), ("temperature_c", "f8"), ("homogeneity", "f8"), ("power_kw", "f8"), ("age_s", "f8")]
)  # fmt: skip

ALARM = np.dtype([("tick", "i8"), ("tag", "i4"), ("value", "f8")])

STORES = ("silo", "aggregate_bin", "tank", "dust_collector", "moisture_probe")  # they stand first among a line's machines
WETS = 64  # batches whose beginning is remembered, more than any load has
NEW_KG = 20.0  # more in the mixer than this is a batch, or the beginning of the next
SPARE = 512  # rows that may be added between two looks at how full the buffers are

N_WEIGHINGS, N_BATCHES, N_ALARMS, N_ROWS, IN_ROW, NEXT_SAMPLE, NEXT_ROW, SAMPLED, IN_ROW_SLOW, NEXT_SLOW, SAMPLED_SLOW, WATERED = range(12)


class Log(NamedTuple):
    """The observer's buffers and memory.

    Attributes:
        counts: int64, rows in each buffer and the sampling state (indices `N_*`, `IN_ROW`, `NEXT_*`).
        period: int64 [7], ticks between samples, between rows of the tags table, and between samples of the slow
            surroundings; number of the first tag of those, of the first of them in `ranged`, of the first tag that is not recorded,
            and of the first of the slow ones in `recorded`.
        first_alarm: int64 [2·line + 1], first alarm of each line's stores, and of the line itself; of the surroundings.
        recorded: int64, tags that have a column of means; ranged: int64, those of them that have two more, for their least and
            greatest value; none where a row is one sample.
        step: float64 [column], resolution of the columns: means, least values, greatest values.
        total: float64 [tag], values of the row under way times their time; low, high: float64 [ranged].
        rows: int32 [row, column], in steps of each column; a row ends at the first sample after its time, so a long idle spell is
            one row.
        row_tick: int64 [row], end of each row.
        watched, alarms: int64, tags whose change hands control back, two a line and that of the dispatch desk; alarm tags.
        last: float64, their last values, watched first.
        base_kg, base_shown_kg: true mass on each weigher, and what it showed, when its present ingredient began.
        records: records seen of each weigher.
        drawn_kg: what had left each feeder's source at its last record.
        left_kg: least that each mixer has held since its last batch was noted; less than nothing once another has come in.
        poured: batches discharged by each mixer.
        wet: int64 [mixer, WETS], tick at which water met the cement of its last batches, by number of the batch.
    """

    counts: NDArray[np.int64]
    period: NDArray[np.int64]
    first_alarm: NDArray[np.int64]
    weighings: NDArray[Any]
    batches: NDArray[Any]
    alarm_rows: NDArray[Any]
    recorded: NDArray[np.int64]
    ranged: NDArray[np.int64]
    step: NDArray[np.float64]
    total: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    rows: NDArray[np.int32]
    row_tick: NDArray[np.int64]
    watched: NDArray[np.int64]
    alarms: NDArray[np.int64]
    last: NDArray[np.float64]
    base_kg: NDArray[np.float64]
    base_shown_kg: NDArray[np.float64]
    records: NDArray[np.float64]
    drawn_kg: NDArray[np.float64]
    left_kg: NDArray[np.float64]
    poured: NDArray[np.int64]
    wet: NDArray[np.int64]


def log_for(plant: Plant, sample_s: float, row_s: float, rows: int = 4096) -> Log:
    """Empty buffers for a plant.

    Args:
        sample_s: interval of the samples.
        row_s: interval of the rows in the tags table; a row gathers the samples since the row before.
    """
    table, state = plant.table, plant.state
    watched = [table.index(f"{e.name}.{t}") for e in table.of_kind("bay") for t in ("Accepted", "Done")]
    watched.append(table.index("Dispatch.Number"))
    alarms = [i for i, t in enumerate(table) if t.alarm]
    n = len(table)
    counts = np.zeros(12, np.int64)
    many = row_s > sample_s
    slow = next((e.first for e in table.equipment if e.kind == "weather_station"), n)
    end = next((e.first for e in table.equipment if e.kind == "dispatch_desk"), n) if many else n  # a year has its tickets instead
    recorded = [i for i, t in enumerate(table) if i < end and t.kept and t.direction != "parameter" and ".Recipe." not in t.name]
    ranged = [i for i in recorded if many and table.tags[i].direction == "sensor" and table.tags[i].dtype == "float"]
    fine = [table.tags[i].resolution for i in recorded]
    means = [r if r < 1 else 0.01 for r in fine] if many else fine  # a mean of whole numbers is not whole
    step = np.array(means + 2 * [table.tags[i].resolution for i in ranged])
    every = [max(round(s * TICKS_PER_S), 1) for s in (sample_s, row_s)]
    period = np.array(
        [*every, int(state.site["water_ticks"][0]), slow, sum(i < slow for i in ranged), end, sum(i < slow for i in recorded)]
    )
    begins = [
        next(e.first for e in table.equipment if e.line == line and e.kind in kinds)
        for line in table.lines
        for kinds in (STORES, ("feeder",))
    ] + [slow]
    first_alarm = np.array([sum(i < tag for i in alarms) for tag in begins])
    counts[NEXT_SAMPLE], counts[NEXT_ROW], counts[NEXT_SLOW] = period[0], period[1], period[2]
    return Log(
        counts, period, first_alarm, np.zeros(16384, WEIGHING), np.zeros(2048, BATCH), np.zeros(4096, ALARM),
        np.array(recorded, np.int64), np.array(ranged, np.int64), step, np.zeros(end), np.zeros(len(ranged)), np.zeros(len(ranged)),
        np.zeros((rows, len(step)), np.int32), np.zeros(rows, np.int64),
        np.array(watched, np.int64), np.array(alarms, np.int64), plant.image.values[watched + alarms].copy(), np.zeros(len(state.weighers)), np.zeros(len(state.weighers)),
        np.zeros(len(state.weighers)), np.array([state.ledger.gone[f["source"]] for f in state.feeders]), np.zeros(len(state.mixers)),
        np.zeros(len(state.mixers), np.int64), np.zeros((len(state.mixers), WETS), np.int64),
    )  # fmt: skip


@njit
def observe(p: Any, log: Any) -> int:
    """Look at everything once, after a scan.

    Returns:
        What somebody outside the kernels should look at: the sum of `LOADS`, `ALARMS` and `FULL`; 0 is nothing.
    """
    look = 0
    for k in range(p.weighers.shape[0]):
        watch_weigher(p, log, k, p.site[0].tick)
    for k in range(p.mixers.shape[0]):
        look |= observe_line(p, log, k)
    return look | observe_stores(p, log) | observe_rest(p, log)


@njit
def observe_line(p: Any, log: Any, k: int) -> int:
    """Look at one line, but for its stores and weighers."""
    tick = p.site[0].tick
    watch_mixer(p, log, k, tick)
    look = watch_alarms(p, log, log.first_alarm[2 * k + 1], log.first_alarm[2 * k + 2], tick)
    return look | LOADS if watch_load(p, log, k) else look


@njit
def observe_stores(p: Any, log: Any) -> int:
    """Look at the stores of all lines."""
    look = 0
    for k in range(p.stations.shape[0]):
        look |= watch_alarms(p, log, log.first_alarm[2 * k], log.first_alarm[2 * k + 1], p.site[0].tick)
    return look


@njit
def observe_rest(p: Any, log: Any) -> int:
    """Look at the dispatch desk, and at the surroundings when they have moved; take a sample when it is time."""
    tick, c = p.site[0].tick, log.counts
    look = LOADS if turned(p, log, log.watched.shape[0] - 1) else 0
    if c[WATERED] != p.site[0].watered or log.ranged.shape[0] == 0:  # every time in short steps
        c[WATERED] = p.site[0].watered
        look |= watch_alarms(p, log, log.first_alarm[log.first_alarm.shape[0] - 1], log.alarms.shape[0], tick)
    if tick >= c[NEXT_SAMPLE]:
        sample(p, log, tick)
    # Asked only where all lines meet: when the buffers were emptied is a matter of wall time, and must not cut a line's step.
    weighings, batches, alarms = log.weighings.shape[0] - SPARE, log.batches.shape[0] - WETS, log.alarm_rows.shape[0] - SPARE
    full = c[N_WEIGHINGS] > weighings or c[N_BATCHES] > batches or c[N_ALARMS] > alarms or c[N_ROWS] >= log.rows.shape[0] - 1
    return look | FULL if full else look


@njit
def watch_load(p: Any, log: Any, k: int) -> bool:
    """Has line `k` finished a load, or accepted one of which the office must hear at once?"""
    accepted, done = turned(p, log, 2 * k), turned(p, log, 2 * k + 1)
    if accepted:
        p.bays[k].accepted = p.site[0].tick
    return done or accepted and p.bays[k].heed == 0


@njit
def turned(p: Any, log: Any, k: int) -> bool:
    """Is watched tag `k` another than when it was last looked at?"""
    v = p.io[log.watched[k]]
    other: bool = v != log.last[k]
    log.last[k] = v
    return other


@njit
def watch_alarms(p: Any, log: Any, first: int, last: int, tick: int) -> int:
    """Note the alarms that have come or gone."""
    n = log.watched.shape[0]
    alarms, before, changed = log.alarms[first:last], log.last[n + first : n + last], False
    for k in range(alarms.shape[0]):  # hardly ever one has: a loop without a branch
        changed |= p.io[alarms[k]] != before[k]
    if not changed:
        return 0
    for k in range(alarms.shape[0]):
        v = p.io[alarms[k]]
        if v != before[k]:
            before[k] = v
            row = log.alarm_rows[log.counts[N_ALARMS]]
            row.tick, row.tag, row.value = tick, alarms[k], v
            log.counts[N_ALARMS] += 1
    return ALARMS


@njit
def watch_weigher(p: Any, log: Any, k: int, tick: int) -> None:
    """Note a weighing when the controller has recorded one."""
    w = p.weighers[k]
    records = p.io[w.tag + weigher.RECORDS]
    if records == log.records[k]:
        if p.io[w.tag + weigher.PHASE] < 1.5:  # idle or taring: the next ingredient starts from here
            log.base_kg[k], log.base_shown_kg[k] = w.mass_kg, w.shown_kg
        return
    log.records[k] = records
    row = log.weighings[log.counts[N_WEIGHINGS]]
    log.counts[N_WEIGHINGS] += 1
    row.tick, row.line, row.weigher, row.batch = tick, w.line, k, int(p.io[w.tag + weigher.BATCH])
    row.true_kg, row.shown_kg = w.mass_kg - log.base_kg[k], w.shown_kg - log.base_shown_kg[k]
    log.base_kg[k], log.base_shown_kg[k] = w.mass_kg, w.shown_kg
    row.target_kg, row.recorded_kg = p.io[w.tag + weigher.TARGET], p.io[w.tag + weigher.RECORDED]
    row.disposition, row.redoses = int(p.io[w.tag + weigher.DISPOSITION]), int(p.io[w.tag + weigher.REDOSES])
    row.scale_error_kg = w.offset + w.drifted_kg + w.drift_kg_s * tick * 0.01
    f = int(p.io[w.tag + weigher.FEEDER]) - 1
    row.feeder = f
    row.moisture = row.moisture_seen = 0.0
    row.drawn_from_kg = row.drawn_to_kg = 0.0
    row.faulty = 1 if w.offset != 0.0 or w.drift != 0.0 or w.freeze != 0.0 or w.spike != 0.0 or w.broken != 0.0 or w.leak != 0.0 else 0
    if 0 <= f < p.feeders.shape[0]:
        g = p.feeders[f]
        gone = p.ledger.gone[g.source]
        row.drawn_from_kg, row.drawn_to_kg = log.drawn_kg[f], gone
        log.drawn_kg[f] = gone
        if g.bin >= 0:
            b = p.bins[g.bin]
            row.moisture, row.moisture_seen = aggregate_bin.moisture(p.ledger, b.holder, b.species), 0.01 * p.io[b.seen_tag]
    for j in range(w.first_feeder, w.first_feeder + w.feeders):
        g = p.feeders[j]
        if g.leak != 0.0 or (j == f and (g.stuck != 0.0 or g.arching != 0.0)):
            row.faulty = 2


@njit
def watch_mixer(p: Any, log: Any, k: int, tick: int) -> None:
    """Note a batch, with its true composition, when the mixer's door begins to open on it; once, though its discharge be interrupted."""
    m = p.mixers[k]
    if m.door <= 0.0:
        if m.mass_kg > log.left_kg[k] + NEW_KG:
            log.left_kg[k] = -1.0
        return
    if log.left_kg[k] >= 0.0:
        log.left_kg[k] = min(log.left_kg[k], m.mass_kg)
        return
    if m.mass_kg < NEW_KG:
        return
    log.left_kg[k] = m.mass_kg
    log.poured[k] += 1
    log.wet[k, log.poured[k] % WETS] = tick - round(m.age_s * TICKS_PER_S)
    row = log.batches[log.counts[N_BATCHES]]
    log.counts[N_BATCHES] += 1
    kg = p.ledger.stock[m.holder]
    for s in range(N_SPECIES):
        row.kg[s] = kg[s]
    row.tick, row.line, row.number, row.batch = tick, m.line, log.poured[k], int(p.io[m.tag + mixer.BATCH])
    row.volume_m3, row.water_binder, row.slump_mm = concrete_volume_m3(kg), water_binder(kg), slump_mm(kg, m.fine_extra)
    row.temperature_c, row.homogeneity, row.power_kw, row.age_s = m.temp_c, 1.0 - m.unmixed, m.power_kw, m.age_s


@njit
def sample(p: Any, log: Any, tick: int) -> None:
    """Take a sample of every tag into the row under way; close the row when its time is up.

    Surroundings change once a second or a minute; they are looked at so often, and before a row ends.
    """
    c, first, first_ranged = log.counts, log.period[3], log.period[4]
    ends = tick >= c[NEXT_ROW]
    gather(p.io, log, 0, first, float(tick - c[SAMPLED]), c[IN_ROW] == 0)
    widen(p.io, log, 0, first_ranged, c[IN_ROW] == 0)
    c[IN_ROW] += tick - c[SAMPLED]
    c[SAMPLED] = tick
    c[NEXT_SAMPLE] = (tick // log.period[0] + 1) * log.period[0]
    if ends or tick >= c[NEXT_SLOW]:
        gather(p.io, log, first, log.period[5], float(tick - c[SAMPLED_SLOW]), c[IN_ROW_SLOW] == 0)
        widen(p.io, log, first_ranged, log.ranged.shape[0], c[IN_ROW_SLOW] == 0)
        c[IN_ROW_SLOW] += tick - c[SAMPLED_SLOW]
        c[SAMPLED_SLOW] = tick
        c[NEXT_SLOW] = (tick // log.period[2] + 1) * log.period[2]
    if ends:
        end_row(p.io, log, tick)
        c[NEXT_ROW] = (tick // log.period[1] + 1) * log.period[1]


@njit
def gather(io: Any, log: Any, first: int, last: int, weight: float, begins: bool) -> None:
    """Add some tags to the row under way, weighted with the time since their last sample."""
    now, total = io[first:last], log.total[first:last]  # slices: loops over them need no look at the sign of an index
    if begins:
        for i in range(now.shape[0]):
            total[i] = now[i] * weight
    else:
        for i in range(now.shape[0]):
            total[i] += now[i] * weight


@njit
def widen(io: Any, log: Any, first: int, last: int, begins: bool) -> None:
    """Take some of the ranged tags into the least and greatest values of the row under way."""
    which, low, high = log.ranged[first:last], log.low[first:last], log.high[first:last]
    for i in range(which.shape[0]):
        v = io[which[i]]
        low[i] = v if begins else min(low[i], v)
        high[i] = v if begins else max(high[i], v)


@njit
def end_row(io: Any, log: Any, tick: int) -> None:
    """Write the row under way in steps of its columns' resolutions."""
    c, slow, means, ranged = log.counts, log.period[6], log.recorded.shape[0], log.ranged.shape[0]
    row = log.rows[c[N_ROWS]]
    write_means(io, log, row, 0, slow, c[IN_ROW])
    write_means(io, log, row, slow, means, c[IN_ROW_SLOW])
    least, greatest = row[means : means + ranged], row[means + ranged :]
    least_step, greatest_step = log.step[means : means + ranged], log.step[means + ranged :]
    for i in range(ranged):
        least[i] = in_steps(log.low[i], least_step[i])
        greatest[i] = in_steps(log.high[i], greatest_step[i])
    log.row_tick[c[N_ROWS]] = tick
    c[IN_ROW] = c[IN_ROW_SLOW] = 0
    c[N_ROWS] += 1


@njit
def write_means(io: Any, log: Any, row: Any, first: int, last: int, weight: int) -> None:
    """Means of some columns; the value itself where no time has gone by."""
    which, out, step = log.recorded[first:last], row[first:last], log.step[first:last]
    if weight > 0:
        share = 1.0 / weight
        for i in range(which.shape[0]):
            out[i] = in_steps(log.total[which[i]] * share, step[i])
    else:
        for i in range(which.shape[0]):
            out[i] = in_steps(io[which[i]], step[i])


@njit
def in_steps(value: float, step: float) -> Any:
    """A value as a whole number of steps of its column."""
    return np.int32(np.rint(value / step))


__all__ = ["ALARM", "BATCH", "Log", "WEIGHING", "log_for", "observe"]
