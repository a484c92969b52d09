// Loads NodeSet2 files into node-opcua and prints what it sees there: node load_nodeset.js plant.xml
const { generateAddressSpace } = require("node-opcua-address-space/nodeJS");
const { AddressSpace } = require("node-opcua-address-space");
const { BrowseDirection, NodeClass } = require("node-opcua-data-model");
const { nodesets } = require("node-opcua-nodesets");

const plain = (v) => (v === null || v === undefined ? null : v.toJSON ? v.toJSON() : ArrayBuffer.isView(v) ? Array.from(v) : v);

async function main() {
    const space = AddressSpace.create();
    await generateAddressSpace(space, [nodesets.standard, process.argv[2]]);
    const index = space.getNamespaceIndex("urn:batchtwin:plant");
    const nodes = {};
    const instances = {};
    for (const node of space.getNamespace(index).nodeIterator()) {
        const row = { class: NodeClass[node.nodeClass], name: node.browseName.toString() };
        if (node.nodeClass === NodeClass.Variable) {
            row.type = node.typeDefinitionObj.browseName.toString();
            row.dataType = node.dataType.toString();
            row.rank = node.valueRank;
            row.access = node.accessLevel;
            const value = node.readValue().value.value;
            row.value = Array.isArray(value) ? value.map(plain) : plain(value);
        }
        if (node.nodeClass === NodeClass.Object) row.type = node.typeDefinitionObj.browseName.toString();
        if (node.nodeClass === NodeClass.Method) {
            row.inputs = node.getInputArguments().map((a) => a.name);
            row.outputs = node.getOutputArguments().map((a) => a.name);
        }
        row.parents = node.findReferencesEx("HierarchicalReferences", BrowseDirection.Inverse).map((r) => r.nodeId.toString());
        nodes[node.nodeId.value] = row;
    }
    for (const [id, row] of Object.entries(nodes)) {
        if (row.class !== "ObjectType") continue;
        const type = space.findObjectType(`${index}:${id}`);
        const made = type.instantiate({ browseName: `a ${id}`, organizedBy: space.rootFolder.objects });
        instances[id] = made.getComponents().map((c) => c.browseName.name).sort();
    }
    console.log(JSON.stringify({ index, nodes, instances }));
    space.dispose();
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
