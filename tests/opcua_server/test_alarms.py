"""Alarms and conditions over a real socket: what clients are told, what they can do about it, and who may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from asyncua import ua
from served import few_trucks, here, name_of, std, until

from opcua_server.address.conditions import REMEMBERED
from scenarios.session import Session
from scenarios.simulation import Simulation
from twin.clock import TICKS_PER_S

STATION, ESTOP, SAFE = "Line1.Station", "Line1.Station.EStop", "Line1.Station.Safe"
ALARM_TYPES = (
    "OffNormalAlarmType",
    "DiscreteAlarmType",
    "AlarmConditionType",
    "AcknowledgeableConditionType",
    "ConditionType",
    "BaseEventType",
)
PATHS = ("EventId", "EventType", "SourceNode", "SourceName", "Time", "ReceiveTime", "Message", "Severity", "ConditionName", "Retain", "ActiveState/Id",
         "AckedState/Id", "ConfirmedState/Id", "Comment", "ClientUserId", "SuppressedOrShelved", "ShelvingState/CurrentState/Id", "InputNode",
         "BranchId", "EnabledState/Id")  # fmt: skip
START = datetime(2026, 5, 11, 6)
BYTES, TEXT, DOUBLE, UINT32 = ua.VariantType.ByteString, ua.VariantType.LocalizedText, ua.VariantType.Double, ua.VariantType.UInt32
METHODS = {
    "Acknowledge": "AcknowledgeableConditionType_Acknowledge", "Confirm": "AcknowledgeableConditionType_Confirm", "AddComment": "ConditionType_AddComment",
    "Enable": "ConditionType_Enable", "Disable": "ConditionType_Disable", "TimedShelve": "AlarmConditionType_ShelvingState_TimedShelve",
    "OneShotShelve": "AlarmConditionType_ShelvingState_OneShotShelve", "Unshelve": "AlarmConditionType_ShelvingState_Unshelve",
}  # fmt: skip


def chosen(*where: ua.ContentFilterElement) -> ua.EventFilter:
    """A filter that asks for `PATHS` and the condition's NodeId."""
    base = std("BaseEventType")
    clauses = [ua.SimpleAttributeOperand(base, [ua.QualifiedName(n) for n in p.split("/")], ua.AttributeIds.Value) for p in PATHS]
    clauses.append(ua.SimpleAttributeOperand(std("ConditionType"), [], ua.AttributeIds.NodeId))
    return ua.EventFilter(clauses, ua.ContentFilter(list(where)))


class Ear:
    """What one client hears: a dict for each event, in order."""

    def __init__(self, plant) -> None:
        self.plant, self.heard = plant, []

    async def listen(self, peer, *nodes, where=()):
        """Subscribe to the events of nodes; the ids of the items are kept."""
        self.subscription = await peer.client.create_subscription(20, self)
        self.items = [await self.subscription.subscribe_events(n, evfilter=chosen(*where)) for n in nodes or (std("Server"),)]
        return self

    def event_notification(self, event) -> None:
        fields = event.get_event_props_as_fields_dict()
        self.heard.append({p: v.Value for p, v in fields.items()})

    async def events(self, count):
        """So many events; not one more comes with them."""
        await until(lambda: len(self.heard) >= count, f"{len(self.heard)} of {count} events")
        heard, self.heard = self.heard, []
        assert len(heard) == count, [(e["SourceName"], e["Message"]) for e in heard]
        return heard

    async def event(self):
        return (await self.events(1))[0]


async def act(peer, name, method, *arguments, path="", number=None):
    """Call a method of a condition by the NodeId of its type's method; returns the name of the StatusCode."""
    node = std(number or METHODS[method])
    request = ua.CallMethodRequest(here(f"{name}/Condition{path}"), node, list(arguments))
    (result,) = (await peer.send("Call", MethodsToCall=[request])).Results
    return name_of(result.StatusCode)


async def answer(peer, name, method, event_id, comment=""):
    return await act(peer, name, method, ua.Variant(event_id, BYTES), ua.Variant(ua.LocalizedText(comment), TEXT))


async def refresh(peer, *numbers):
    method = std("ConditionType_ConditionRefresh" if len(numbers) == 1 else "ConditionType_ConditionRefresh2")
    request = ua.CallMethodRequest(std("ConditionType"), method, [ua.Variant(n, UINT32) for n in numbers])
    (result,) = (await peer.send("Call", MethodsToCall=[request])).Results
    return name_of(result.StatusCode)


async def nothing_more(ear, peer, retained=0):
    """Nothing is on its way to an ear: a refresh brings its own borders and what is retained, and nothing else."""
    assert await refresh(peer, ear.subscription.subscription_id) == "Good"
    assert len(await ear.events(2 + retained)) == 2 + retained


async def press(plant, lasts_s=None, steps=1):
    """Let somebody press the emergency stop; the controller outside says nothing, so this is the only alarm."""
    plant.live.sim.inject("emergency-stop", STATION, duration_s=lasts_s)
    await plant.live.step(steps)


def logged(plant):
    """What the run's event log has of alarms."""
    return [(kind, name, text) for _, kind, name, _, text in plant.live.sim._events if name == ESTOP]


# --- the nodes --------------------------------------------------------------------------------------------


async def test_each_alarm_tag_has_a_condition_under_its_machine_with_all_that_its_types_demand(plant, loop):
    nodes = plant.server.nodes

    def below(node):
        return {
            r.BrowseName.Name: r.NodeId for r in nodes.space[node].references if r.IsForward and r.ReferenceTypeId.Identifier in (46, 47)
        }

    def demanded(node):
        return {n: c for n, c in below(node).items() if any(r.NodeId == std("ModellingRule_Mandatory") for r in nodes.space[c].references)}

    def check(instance, type_):
        for name, child in demanded(type_).items():
            assert name in below(instance), (instance, name)
            check(below(instance)[name], child)

    alarms = [t.name for t in plant.live.sim.plant.table if t.alarm]
    assert len(alarms) > 40
    for name in alarms:
        condition = here(f"{name}/Condition")
        assert below(here(name.rpartition(".")[0]))[name.rpartition(".")[2] + "Alarm"] == condition
        for type_ in ALARM_TYPES:
            check(condition, std(type_))
    async with plant.client() as peer:
        path = ["0:Objects", "2:Plant", "2:Line1", "2:Station", "2:EStopAlarm"]
        node = await peer.client.nodes.root.get_child([*path, "0:ShelvingState", "0:CurrentState", "0:Id"])
        assert await node.read_value() == std("ShelvedStateMachineType_Unshelved")
        condition = await peer.client.nodes.root.get_child(path)
        assert await condition.read_type_definition() == std("OffNormalAlarmType")
        sources = await condition.get_referenced_nodes(std("HasCondition"), ua.BrowseDirection.Inverse)
        assert [n.nodeid for n in sources] == [here(STATION)]
        methods = {(await n.read_browse_name()).Name for n in await condition.get_methods()}
        assert methods == {"Acknowledge", "Confirm", "AddComment", "Enable", "Disable"}


async def test_the_variables_of_a_condition_show_its_state_as_its_last_event_did(plant, loop):
    async with plant.client() as peer:
        ear = await Ear(plant).listen(peer)
        await press(plant)
        event = await ear.event()
        for path in PATHS:
            assert await peer.read(f"{ESTOP}/Condition/{path}") == event[path], path
        assert [(await peer.read(f"{ESTOP}/Condition/{p}")).Text for p in ("ActiveState", "AckedState", "ShelvingState/CurrentState")] == [
            "Active", "Unacknowledged", "Unshelved"]  # fmt: skip
        assert await peer.read(f"{ESTOP}/Condition/ActiveState/TransitionTime") == event["Time"]
        assert await peer.read(f"{SAFE}/Condition/ActiveState/Id") is False


# --- events -----------------------------------------------------------------------------------------------


async def test_an_alarm_is_told_at_the_server_the_plant_the_line_and_its_machine_only(plant, loop):
    async with plant.client() as peer:
        ears = [await Ear(plant).listen(peer, n) for n in (std("Server"), here("Plant"), here("Line1"), here(STATION))]
        others = [await Ear(plant).listen(peer, here(n)) for n in ("Line1.Mixer", "Line1.Weigher.Cement")]
        before = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=1)
        await press(plant, lasts_s=0.2, steps=4)
        told = [await ear.events(2) for ear in ears]
        assert all(t == told[0] for t in told)
        for other in others:
            await nothing_more(other, peer)
        on, off = told[0]
        assert on["EventType"] == std("OffNormalAlarmType") and on["SourceNode"] == here(STATION) and on["SourceName"] == STATION
        assert on["ConditionName"] == "EStop" and on["Severity"] == 900 and on["InputNode"] == here(ESTOP)
        assert on["Message"].Text == "Line1.Station: emergency stop pressed" and on["Message"].Locale == "en"
        assert [on[p] for p in ("Retain", "ActiveState/Id", "AckedState/Id", "ConfirmedState/Id")] == [True, True, False, False]
        assert [off[p] for p in ("Retain", "ActiveState/Id", "AckedState/Id", "ConfirmedState/Id")] == [True, False, False, False]
        assert on["EventId"] != off["EventId"] and len(on["EventId"]) == 16 and on["BranchId"].is_null()
        assert (off["Time"] - on["Time"]) == timedelta(seconds=0.2) and on["Time"].replace(tzinfo=None) < START + timedelta(seconds=1)
        assert before < on["ReceiveTime"].replace(tzinfo=None) < datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=1)


async def test_who_lets_it_happen_is_told_to_nobody(plant, loop):
    async with plant.client() as peer:
        ear = await Ear(plant).listen(peer)
        plant.live.sim.inject("level-offset", "Line1.Silo.Cement1")
        plant.live.sim.write("Line1.Station.Hold", 1.0, "somebody")
        await press(plant, steps=10)
        assert (await ear.event())["ConditionName"] == "EStop"
        await nothing_more(ear, peer, retained=1)


@pytest.mark.parametrize(("least", "count"), [(900, 1), (901, 0)])
async def test_a_client_hears_from_a_severity_on(plant, loop, least, count):
    severity = ua.SimpleAttributeOperand(std("BaseEventType"), [ua.QualifiedName("Severity")], ua.AttributeIds.Value)
    where = ua.ContentFilterElement(
        ua.FilterOperator.GreaterThanOrEqual, [severity, ua.LiteralOperand(ua.Variant(least, ua.VariantType.UInt16))]
    )
    async with plant.client() as peer:
        every, some = await Ear(plant).listen(peer), await Ear(plant).listen(peer, where=[where])
        await press(plant)
        await every.event()
        assert len(await some.events(count)) == count
        await nothing_more(some, peer, retained=count)


@pytest.mark.parametrize("kind", ["AlarmConditionType", "ConditionType", "OffNormalAlarmType"])
async def test_a_client_that_lets_the_library_choose_hears_alarms_and_nothing_else(plant, loop, kind):
    async with plant.client() as peer:
        ear = Ear(plant)
        subscription = await peer.client.create_subscription(20, ear)
        await subscription.subscribe_alarms_and_conditions(evtypes=std(kind))
        plant.live.reset(seed=1)
        await press(plant)
        event = await ear.event()
        assert event["ConditionName"] == "EStop" and event["Retain"] is True


async def test_a_chinese_client_reads_chinese(plant, loop):
    async with plant.client(locales=("zh-CN",)) as peer:
        ear = await Ear(plant).listen(peer)
        await press(plant, lasts_s=0.1, steps=3)
        on, off = await ear.events(2)
        assert (on["Message"].Text, on["Message"].Locale) == ("Line1.Station：急停按下", "zh")
        assert off["Message"].Text == "Line1.Station：急停按下，已恢复"
        assert (await peer.read(f"{ESTOP}/Condition/AckedState")).Text == "未确认"


# --- answering --------------------------------------------------------------------------------------------


async def test_an_operator_acknowledges_and_the_others_see_it(guarded, loop):
    async with guarded.client("operator") as operator, guarded.client("observer") as observer:
        ear, other = await Ear(guarded).listen(operator), await Ear(guarded).listen(observer, here(STATION))
        await press(guarded)
        told, _ = await ear.event(), await other.event()
        assert await answer(operator, ESTOP, "Acknowledge", told["EventId"], "on my way") == "Good"
        for event in (await ear.event(), await other.event()):
            assert event["AckedState/Id"] and not event["ConfirmedState/Id"] and event["Retain"]
            assert event["Comment"].Text == "on my way" and event["ClientUserId"] == "operator" and event["EventId"] != told["EventId"]
        assert guarded.live.alarms.find(ESTOP).acked and ("acknowledge", ESTOP, "operator: on my way") in logged(guarded)
        guarded.server.security.audit.flush()
        ledger = (guarded.folder / "audit.jsonl").read_text(encoding="utf-8")
        assert f"{ESTOP}/Condition i=9111" in ledger and "on my way" in ledger
        assert await answer(operator, ESTOP, "Acknowledge", told["EventId"]) == "BadConditionBranchAlreadyAcked"
        assert await answer(operator, ESTOP, "Confirm", told["EventId"]) == "Good"
        event = await other.event()
        assert event["ConfirmedState/Id"] and event["Comment"].Text == "", "an empty comment takes the old one away"
        assert await answer(operator, ESTOP, "Confirm", event["EventId"]) == "BadConditionBranchAlreadyConfirmed"
        await nothing_more(other, observer, retained=1)


async def test_an_acknowledged_alarm_that_has_gone_is_of_no_concern(plant, loop):
    async with plant.client() as peer:
        ear = await Ear(plant).listen(peer)
        await press(plant, lasts_s=0.1, steps=3)
        _, off = await ear.events(2)
        assert await answer(peer, ESTOP, "Acknowledge", off["EventId"]) == "Good"
        assert (await ear.event())["Retain"] is False


async def test_a_comment_without_text_keeps_the_last_one(plant, loop):
    async with plant.client() as peer:
        ear = await Ear(plant).listen(peer)
        await press(plant)
        told = await ear.event()
        assert await answer(peer, ESTOP, "AddComment", told["EventId"], "broken glass") == "Good"
        said = await ear.event()
        assert said["Comment"].Text == "broken glass" and said["AckedState/Id"] is False
        when = await peer.read(f"{ESTOP}/Condition/Comment/SourceTimestamp")
        await plant.live.step(5)
        assert await answer(peer, ESTOP, "Acknowledge", said["EventId"], None) == "Good"
        assert (await ear.event())["Comment"].Text == "broken glass"
        assert await peer.read(f"{ESTOP}/Condition/Comment/SourceTimestamp") == when == said["Time"]
        assert await act(peer, ESTOP, "OneShotShelve") == "Good"
        assert (await ear.event())["Comment"].Text == "broken glass"
        assert ("shelve", ESTOP, "anonymous: once") in logged(plant)


async def test_only_events_of_the_present_occurrence_of_this_alarm_can_be_answered(plant, loop):
    async with plant.client() as peer:
        ear = await Ear(plant).listen(peer)
        await press(plant, lasts_s=0.1, steps=3)
        first, gone = await ear.events(2)
        await press(plant, steps=2)
        second = await ear.event()
        for method in ("Acknowledge", "Confirm", "AddComment"):
            for wrong in (first["EventId"], gone["EventId"], b"", b"\0" * 16, second["EventId"] + b"\0"):
                assert await answer(peer, ESTOP, method, wrong) == "BadEventIdUnknown", (method, wrong)
            assert await answer(peer, SAFE, method, second["EventId"]) == "BadEventIdUnknown", "it is another alarm's"
        await nothing_more(ear, peer, retained=1)
        assert not plant.live.alarms.find(ESTOP).acked
        for _ in range(REMEMBERED - 1):
            assert await answer(peer, ESTOP, "AddComment", second["EventId"], "again") == "Good"
        assert await answer(peer, ESTOP, "Acknowledge", second["EventId"]) == "Good", "an event may be answered while others come"
        assert await answer(peer, ESTOP, "AddComment", second["EventId"]) == "BadEventIdUnknown", "not for ever"


@pytest.mark.parametrize("role", ["observer", "controller"])
async def test_who_may_not_acknowledge_may_do_nothing_but_look(guarded, loop, role):
    async with guarded.client(role) as peer:
        ear = await Ear(guarded).listen(peer)
        await press(guarded)
        told = await ear.event()
        for method in ("Acknowledge", "Confirm", "AddComment"):
            assert await answer(peer, ESTOP, method, told["EventId"]) == "BadUserAccessDenied"
        assert await act(peer, ESTOP, "TimedShelve", ua.Variant(1e3, DOUBLE)) == "BadUserAccessDenied"
        for method in ("OneShotShelve", "Unshelve", "Enable", "Disable"):
            assert await act(peer, ESTOP, method) == "BadUserAccessDenied"
        await nothing_more(ear, peer, retained=1)
        assert not guarded.live.alarms.find(ESTOP).acked


async def test_alarms_cannot_be_switched_off(plant, loop):
    async with plant.client() as peer:
        assert await act(peer, ESTOP, "Enable") == "BadConditionAlreadyEnabled"
        assert await act(peer, ESTOP, "Disable") == "BadNotSupported"
        assert await peer.read(f"{ESTOP}/Condition/EnabledState/Id") is True


async def test_methods_belong_to_conditions_and_take_what_they_say(plant, loop):
    async with plant.client() as peer:
        for owner in (std("AcknowledgeableConditionType"), here(ESTOP), here(STATION)):
            request = ua.CallMethodRequest(owner, std(METHODS["Acknowledge"]), [])
            assert name_of((await peer.send("Call", MethodsToCall=[request])).Results[0].StatusCode) == "BadMethodInvalid"
        assert await act(peer, "Line1.Nothing", "Enable") == "BadNodeIdUnknown"
        assert await act(peer, ESTOP, "Acknowledge", ua.Variant(b"", BYTES)) == "BadArgumentsMissing"
        assert (
            await act(peer, ESTOP, "Acknowledge", ua.Variant("", ua.VariantType.String), ua.Variant(ua.LocalizedText(""), TEXT))
            == "BadInvalidArgument"
        )


# --- shelving ---------------------------------------------------------------------------------------------


async def test_shelving_lasts_simulated_time(plant, loop):
    async with plant.client() as peer:
        ear = await Ear(plant).listen(peer)
        assert await act(peer, ESTOP, "TimedShelve", ua.Variant(60_000.0, DOUBLE)) == "Good"
        event = await ear.event()
        assert event["SuppressedOrShelved"] and event["ShelvingState/CurrentState/Id"] == std("ShelvedStateMachineType_TimedShelved")
        assert await peer.read(f"{ESTOP}/Condition/ShelvingState/UnshelveTime") == 60_000.0
        assert await act(peer, ESTOP, "TimedShelve", ua.Variant(1000.0, DOUBLE)) == "BadConditionAlreadyShelved"
        await plant.live.step(599)
        assert await peer.read(f"{ESTOP}/Condition/ShelvingState/UnshelveTime") == 100.0 and not ear.heard
        await plant.live.step(1)
        event = await ear.event()
        assert not event["SuppressedOrShelved"] and event["ShelvingState/CurrentState/Id"] == std("ShelvedStateMachineType_Unshelved")
        assert await peer.read(f"{ESTOP}/Condition/ShelvingState/UnshelveTime") == 0.0
        assert await act(peer, ESTOP, "Unshelve") == "BadConditionNotShelved"


async def test_shelving_for_one_occurrence(plant, loop):
    async with plant.client() as peer:
        ear = await Ear(plant).listen(peer)
        assert await act(peer, ESTOP, "OneShotShelve") == "Good"
        assert (await ear.event())["ShelvingState/CurrentState/Id"] == std("ShelvedStateMachineType_OneShotShelved")
        assert await peer.read(f"{ESTOP}/Condition/ShelvingState/UnshelveTime") > 1e300
        assert await act(peer, ESTOP, "OneShotShelve") == "BadConditionAlreadyShelved"
        await press(plant, lasts_s=0.1, steps=3)
        on, off = await ear.events(2)
        assert on["SuppressedOrShelved"] and not off["SuppressedOrShelved"]


async def test_one_way_of_shelving_may_follow_the_other(plant, loop):
    ms = ua.Variant(5_000.0, DOUBLE)
    async with plant.client() as peer:
        ear = await Ear(plant).listen(peer)
        # the methods' NodeIds of the state machine's type, and the state machine as the object, do as well
        assert await act(peer, ESTOP, "", ms, number="ShelvedStateMachineType_TimedShelve") == "Good"
        assert await act(peer, ESTOP, "", path="/ShelvingState", number="ShelvedStateMachineType_OneShotShelve") == "Good"
        assert await act(peer, ESTOP, "TimedShelve", ms, path="/ShelvingState") == "Good"
        assert await act(peer, ESTOP, "", path="/ShelvingState", number="ShelvedStateMachineType_Unshelve") == "Good"
        kinds = [e["ShelvingState/CurrentState/Id"].Identifier for e in await ear.events(4)]
        names = ("Timed", "OneShot", "Timed", "Un")
        assert kinds == [std(f"ShelvedStateMachineType_{n}{'shelved' if n == 'Un' else 'Shelved'}").Identifier for n in names]


@pytest.mark.parametrize("ms", [0.0, -1.0, 86_400_001.0, float("nan"), 1e300])
async def test_shelving_for_a_time_out_of_range(plant, loop, ms):
    async with plant.client() as peer:
        assert await act(peer, ESTOP, "TimedShelve", ua.Variant(ms, DOUBLE)) == "BadShelvingTimeOutOfRange"
        assert await peer.read(f"{ESTOP}/Condition/SuppressedOrShelved") is False


# --- refresh ----------------------------------------------------------------------------------------------


async def test_who_comes_late_is_told_what_is_of_concern(plant, loop):
    await press(plant, lasts_s=0.1, steps=3)
    async with plant.client() as peer, plant.client() as other:
        ear, silent = await Ear(plant).listen(peer), await Ear(plant).listen(other)
        second = await Ear(plant).listen(peer)
        assert await refresh(peer, ear.subscription.subscription_id) == "Good"
        start, alarm, end = await ear.events(3)
        assert [e["EventType"] for e in (start, alarm, end)] == [
            std(t) for t in ("RefreshStartEventType", "OffNormalAlarmType", "RefreshEndEventType")
        ]
        assert alarm["ConditionName"] == "EStop" and alarm["ActiveState/Id"] is False and alarm["Retain"]
        assert await answer(peer, ESTOP, "Acknowledge", alarm["EventId"]) == "Good", "a refreshed event can be answered"
        for one, whose in ((ear, peer), (silent, other), (second, peer)):
            assert (await one.event())["AckedState/Id"]
            await nothing_more(one, whose)


async def test_a_refresh_of_one_item(plant, loop):
    await press(plant)
    async with plant.client() as peer:
        ear = await Ear(plant).listen(peer, std("Server"), here(STATION), here("Line1.Mixer"))
        ident = ear.subscription.subscription_id
        assert await refresh(peer, ident, ear.items[1]) == "Good"
        assert [e["ConditionName"] for e in await ear.events(3)] == [None, "EStop", None]
        assert await refresh(peer, ident, ear.items[2]) == "Good"
        assert [e["ConditionName"] for e in await ear.events(2)] == [None, None], "another machine has no alarm"


async def test_a_refresh_is_for_ones_own_subscriptions_and_event_items(plant, loop):
    async with plant.client() as peer, plant.client() as other:
        ear, foreign = await Ear(plant).listen(peer), await Ear(plant).listen(other)
        ident = ear.subscription.subscription_id
        (data,) = await peer.monitor(ident, "Time.State")
        for wrong in (foreign.subscription.subscription_id, 0, 4_000_000_000):
            assert await refresh(peer, wrong) == await refresh(peer, wrong, ear.items[0]) == "BadSubscriptionIdInvalid"
        for wrong in (data.MonitoredItemId, foreign.items[0], 0):
            assert await refresh(peer, ident, wrong) == "BadMonitoredItemIdInvalid"
        await nothing_more(ear, peer)
        await nothing_more(foreign, other)
        request = ua.CallMethodRequest(here(f"{ESTOP}/Condition"), std("ConditionType_ConditionRefresh"), [ua.Variant(ident, UINT32)])
        assert name_of((await peer.send("Call", MethodsToCall=[request])).Results[0].StatusCode) == "BadMethodInvalid"


# --- the run ----------------------------------------------------------------------------------------------


async def test_after_a_reset_conditions_are_those_of_the_new_run(plant, loop):
    async with plant.client() as peer:
        ear = await Ear(plant).listen(peer)
        await press(plant)
        told = await ear.event()
        assert await act(peer, SAFE, "OneShotShelve") == "Good"
        await ear.event()
        plant.live.reset(seed=1)
        events = {e["ConditionName"]: e for e in await ear.events(3)}
        assert events.keys() == {None, "EStop", "Safe"}
        assert events[None]["EventType"] == std("SystemEventType") and events[None]["Message"].Text == "the run begins anew"
        assert not events["EStop"]["ActiveState/Id"] and not events["EStop"]["Retain"] and not events["Safe"]["SuppressedOrShelved"]
        assert await peer.read(f"{ESTOP}/Condition/ActiveState/Id") is False
        for ident in (told["EventId"], events["EStop"]["EventId"]):
            assert await answer(peer, ESTOP, "Acknowledge", ident) in ("BadEventIdUnknown", "BadConditionBranchAlreadyAcked")
        assert await answer(peer, ESTOP, "Acknowledge", told["EventId"]) == "BadEventIdUnknown"
        await press(plant)
        again = await ear.event()
        assert await answer(peer, ESTOP, "Acknowledge", again["EventId"]) == "Good" and plant.live.alarms.find(ESTOP).acked


async def test_an_alarm_that_is_on_when_a_run_begins_is_told_once(plant, loop):
    def already_pressed(controller, out, seed):
        sim = Simulation("full-demand", few_trucks(), seed=seed, controller=controller, fidelity="scan", out=out)
        sim.inject("emergency-stop", STATION)
        sim.advance(0.2)
        return sim

    async with plant.client() as peer:
        ear = await Ear(plant).listen(peer)
        plant.live.reset(already_pressed, seed=1)
        begun, alarm = await ear.events(2)
        assert begun["ConditionName"] is None and alarm["ConditionName"] == "EStop" and alarm["ActiveState/Id"]
        assert await answer(peer, ESTOP, "Acknowledge", alarm["EventId"]) == "Good" and plant.live.alarms.find(ESTOP).acked
        plant.live.reset("full-demand", seed=1)


async def test_a_lost_controller_and_the_end_of_the_run_are_events(plant, loop):
    live: Session = plant.live
    async with plant.client() as peer:
        ear = await Ear(plant).listen(peer)
        for _ in range(2):
            partner = live.lockstep.join("mine", 1, ear)
            live.lockstep._drop(partner, "no outputs within 10 s")
            event = await ear.event()
            assert event["EventType"] == std("SystemEventType") and event["Severity"] == 700 and event["SourceNode"] == here("Time")
            assert event["Message"].Text == "controller lost: mine: no outputs within 10 s"
        live.lockstep.leave(live.lockstep.join("mine", 1, ear).number, ear)
        live.sim.end_tick = live.tick + 10 * TICKS_PER_S
        await live.step(100)
        ended = await ear.event()
        assert ended["Message"].Text == "the run has ended" and ended["Severity"] == 100


async def test_the_server_hears_no_more_of_the_run_when_it_has_stopped(plant, loop):
    live: Session = plant.live
    assert len(live.alarm_listeners) == 1
    alarms = plant.server.alarms
    alarms.close()
    assert not live.alarm_listeners and alarms._look not in live.listeners
    live.alarm_listeners.append(alarms._changed)
    live.listeners.insert(0, alarms._look)
