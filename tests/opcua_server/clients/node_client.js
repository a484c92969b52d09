// A client of another maker: does what an operator's station does, and prints what it saw as JSON.
// Usage: node node_client.js '{"url": …, "secure": false, "user": …, "password": …, "certificate": …, "key": …, "pki": …, "server": …}'
"use strict";
const opcua = require("node-opcua-client");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { AttributeIds, DataType, MessageSecurityMode, SecurityPolicy, StatusCodes, TimestampsToReturn, UserTokenType } = opcua;

const how = JSON.parse(process.argv[2]);
const seen = {};

function plain(value) {
    if (value === null || value === undefined) return null;
    if (ArrayBuffer.isView(value)) return Array.from(value);
    return value;
}

async function connected() {
    const options = { endpointMustExist: false, connectionStrategy: { maxRetry: 0 }, requestedSessionTimeout: 30000, keepSessionAlive: false };
    if (how.secure) {
        const manager = new OPCUACertificateManager({ rootFolder: how.pki, automaticallyAcceptUnknownCertificate: true });
        await manager.initialize();
        Object.assign(options, {
            securityMode: MessageSecurityMode[how.mode], securityPolicy: SecurityPolicy[how.policy], certificateFile: how.certificate, privateKeyFile: how.key,
            applicationUri: how.uri, clientCertificateManager: manager,
        });
    }
    const client = opcua.OPCUAClient.create(options);
    await client.connect(how.url);
    return client;
}

async function main() {
    const client = await connected();
    const identity = how.user ? { type: UserTokenType.UserName, userName: how.user, password: how.password } : { type: UserTokenType.Anonymous };
    let session;
    try {
        session = await client.createSession(identity);
    } catch (error) {
        seen.refused = error.message;
        await client.disconnect();
        return;
    }
    const namespaces = await session.readNamespaceArray();
    const ns = namespaces.indexOf("urn:batchtwin:plant");
    const node = (name) => `ns=${ns};s=${name}`;
    const value = (name) => ({ nodeId: node(name), attributeId: AttributeIds.Value });
    seen.namespaces = namespaces;

    // browse, also in pieces
    const names = async (name) => (await session.browse(name)).references.map((r) => r.browseName.name);
    seen.objects = await names("ObjectsFolder");
    seen.plant = await names(node("Plant"));
    session.requestedMaxReferencesPerNode = 5;
    let piece = await session.browse({ nodeId: node("Line1.Station"), referenceTypeId: "HierarchicalReferences", includeSubtypes: true, browseDirection: 0, resultMask: 63 });
    seen.station = piece.references.map((r) => r.browseName.name);
    seen.pieces = 1;
    while (piece.continuationPoint && piece.continuationPoint.length) {
        piece = await session.browseNext(piece.continuationPoint, false);
        seen.station.push(...piece.references.map((r) => r.browseName.name));
        seen.pieces++;
    }
    const path = opcua.makeBrowsePath("ObjectsFolder", `/${ns}:Plant/${ns}:Line1/${ns}:Weigher/${ns}:Cement/${ns}:Gross`);
    seen.translated = (await session.translateBrowsePath(path)).targets.map((t) => t.targetId.toString());

    // read
    seen.values = (await session.read(how.names.map(value))).map((v) => [v.statusCode.name, plain(v.value.value)]);
    seen.again = (await session.read(how.names.map(value))).map((v) => [v.statusCode.name, plain(v.value.value)]);
    seen.unknown = (await session.read(value("Nowhere"))).statusCode.name;
    seen.sensors = plain((await session.read(value("Image.Sensors"))).value.value).length;
    const range = (await session.read(value("Line1.Weigher.Cement.Gross/EURange"))).value.value;
    seen.range = [range.low, range.high];
    const status = (await session.read({ nodeId: "i=2256", attributeId: AttributeIds.Value })).value.value;
    seen.product = status.buildInfo.productName;

    // write
    const write = async (name, dataType, written) =>
        (await session.write({ ...value(name), value: { value: { dataType, value: written } } })).name;
    seen.written = {
        moisture: await write("Line1.Bin.Sand1.LabMoisture", DataType.Double, 4.5),
        sensor: await write("Line1.Weigher.Cement.Gross", DataType.Double, 1),
        type: await write("Line1.Bin.Sand1.LabMoisture", DataType.String, "4.5"),
        range: await write("Line1.Bin.Sand1.LabMoisture", DataType.Double, 99),
        output: await write("Line1.Mixer.Door", DataType.Double, 5),
    };

    // call
    const call = async (method, dataTypes, values) => {
        const inputArguments = values.map((v, i) => ({ dataType: dataTypes[i], value: v }));
        const result = await session.call({ objectId: node(method.split(".")[0]), methodId: node(method), inputArguments });
        return [result.statusCode.name, (result.outputArguments || []).map((o) => plain(o.value))];
    };
    const described = await session.getArgumentDefinition(node("Time.Step"));
    seen.arguments = [described.inputArguments.map((a) => a.name), described.outputArguments.map((a) => a.name)];

    // subscribe
    const subscription = await session.createSubscription2({
        requestedPublishingInterval: 50, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 20, publishingEnabled: true,
    });
    const changes = [];
    let told;
    const enough = new Promise((resolve) => (told = resolve));
    const items = await subscription.monitorItems(
        [value("Line1.Bin.Sand2.LabMoisture"), value("Time.Scan")], { samplingInterval: 0, queueSize: 20, discardOldest: true }, TimestampsToReturn.Both,
    );
    items.on("changed", (item, v, index) => {
        changes.push([index, Number(Array.isArray(v.value.value) ? v.value.value[1] : v.value.value)]);
        if (changes.some((c) => c[0] === 0 && c[1] === 7.25)) told();
    });
    await write("Line1.Bin.Sand2.LabMoisture", DataType.Double, 7.25);
    seen.step = await call("Time.Step", [DataType.UInt32], [10]);
    seen.wrong = await call("Time.Step", [DataType.String], ["many"]);
    if (seen.step[0] === "Good") {
        await enough;
        seen.change = changes.filter((c) => c[0] === 0).map((c) => c[1]);
    }
    await subscription.terminate();

    // history
    const history = await session.readHistoryValue(node("Line1.Bin.Sand2.LabMoisture"), new Date(how.from), new Date(how.to));
    seen.history = [history.statusCode.name, ((history.historyData && history.historyData.dataValues) || []).map((v) => plain(v.value.value))];

    await session.close();
    await client.disconnect();
}

function end(error) {
    console.log(JSON.stringify(error ? { ...seen, error } : seen));
    process.exit(error ? 1 : 0);
}

setTimeout(() => end("not done within 20 s"), 20000);
main().then(() => end(), (error) => end(error.message));
