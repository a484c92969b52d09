"""The `opcua` client of former days: does what an operator's station does, and prints what it saw as JSON.

Usage: python legacy_client.py '{"url": …, "user": …, "password": …, "certificate": …, "key": …, "mode": …}'
"""

import json
import logging
import sys
import threading
from datetime import datetime

from opcua import Client, ua
from opcua.crypto.security_policies import SecurityPolicyBasic256Sha256


class Handler:
    """Waits for one value of one node."""

    def __init__(self, node, value):
        self.node, self.value, self.seen, self.told = node, value, [], threading.Event()

    def datachange_notification(self, node, value, data):
        if node == self.node:
            self.seen.append(value)
            if value == self.value:
                self.told.set()


def code(do, *arguments):
    """Name of the StatusCode with which something ends."""
    try:
        do(*arguments)
    except ua.UaStatusCodeError as error:
        return type(error).__name__
    return "Good"


def main(how):
    seen = {}
    client = Client(how["url"], timeout=10)
    client.application_uri = how["uri"]
    client.session_timeout = 60_000
    if how.get("certificate"):
        client.set_security(SecurityPolicyBasic256Sha256, how["certificate"], how["key"], mode=getattr(ua.MessageSecurityMode, how["mode"]))
    if how.get("user"):
        client.set_user(how["user"])
        client.set_password(how["password"])
    try:
        client.connect()
    except ua.UaStatusCodeError as error:
        return {"refused": type(error).__name__}
    try:
        ns = client.get_namespace_index("urn:batchtwin:plant")

        def node(name):
            return client.get_node(f"ns={ns};s={name}")

        seen["objects"] = [n.get_browse_name().Name for n in client.get_objects_node().get_children()]
        seen["plant"] = [n.get_browse_name().Name for n in node("Plant").get_children()]
        seen["found"] = (
            client.get_objects_node().get_child([f"{ns}:{n}" for n in ("Plant", "Line1", "Weigher", "Cement", "Gross")]).nodeid.to_string()
        )
        seen["values"] = [node(n).get_value() for n in how["names"]]
        seen["unknown"] = code(node("Nowhere").get_value)
        limits = node("Line1.Weigher.Cement.Gross").get_properties()
        seen["properties"] = sorted(p.get_browse_name().Name for p in limits)
        moisture, double = node("Line1.Bin.Sand1.LabMoisture"), ua.VariantType.Double
        seen["written"] = {
            "moisture": code(moisture.set_value, 4.5, double),
            "sensor": code(node("Line1.Weigher.Cement.Gross").set_value, 1.0, double),
            "type": code(moisture.set_value, "4.5", ua.VariantType.String),
            "range": code(moisture.set_value, 99.0, double),
            "output": code(node("Line1.Mixer.Door").set_value, 5.0, double),
        }
        changing = node("Line1.Bin.Sand2.LabMoisture")
        handler = Handler(changing, 7.25)
        subscription = client.create_subscription(50, handler)
        subscription.subscribe_data_change([changing, node("Time.Scan")])
        changing.set_value(7.25, double)
        time, method = node("Time"), f"{ns}:Step"
        seen["step"] = code(time.call_method, method, ua.Variant(10, ua.VariantType.UInt32))
        seen["wrong"] = code(time.call_method, method, "many")
        if seen["step"] == "Good":
            for _ in range(100):  # the library samples as often as it publishes, so the plant must move for a while
                if handler.told.wait(0.1):
                    break
                time.call_method(method, ua.Variant(1, ua.VariantType.UInt32))
            seen["change"] = handler.seen
        subscription.delete()
        start, end = datetime.fromisoformat(how["from"]), datetime.fromisoformat(how["to"])
        seen["history"] = [v.Value.Value for v in changing.read_raw_history(start, end)]
    finally:
        client.disconnect()
    return seen


logging.disable(logging.CRITICAL)
print(json.dumps(main(json.loads(sys.argv[1]))))
