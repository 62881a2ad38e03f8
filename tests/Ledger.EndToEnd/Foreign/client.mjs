// Runs every method of the services with a client that is not ours, and checks what comes back. Prints a line for each
// check; ends with 1 at the first that fails. Everything it needs is in the JSON of its first argument.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const settings = JSON.parse(process.argv[2]);
const require = createRequire(settings.modules + "/");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

function load(file) {
  const definition = loader.loadSync(file, {
    includeDirs: [settings.protos],
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  return grpc.loadPackageDefinition(definition);
}

const ledger = load("ledger/v1/ledger.proto").ledger.v1;
const admin = load("ledger/admin/v1/admin.proto").ledger.admin.v1;
const health = load("grpc/health/v1/health.proto").grpc.health.v1;
const reflection = load("grpc/reflection/v1/reflection.proto").grpc.reflection.v1;
const { status } = grpc;

const limits = { "grpc.max_receive_message_length": 20 << 20, "grpc.max_send_message_length": 32 << 20 };
const client = new ledger.LedgerService(settings.address, grpc.credentials.createInsecure(), limits);

const bytes = (text) => Buffer.from(text);

function metadata(store = "foreign", key = settings.key) {
  const data = new grpc.Metadata();
  if (store !== null) data.set("x-ledger-store", store);
  if (key !== null) data.set("x-api-key", key);
  data.set("trace-bin", Buffer.from([0, 1, 254, 255]));
  return data;
}

function call(method, request, data = metadata(), options = {}, on = client) {
  return new Promise((resolve, reject) =>
    on[method](request, data, options, (error, response) => (error ? reject(error) : resolve(response))));
}

async function refused(code, promise) {
  try {
    await promise;
  } catch (error) {
    assert.equal(error.code, code, `${error.code}: ${error.details}`);
    return error;
  }
  assert.fail(`not refused with ${code}`);
}

// The first so many answers of a stream, which is then given up.
function take(stream, count) {
  return new Promise((resolve, reject) => {
    const items = [];
    stream.on("data", (item) => {
      items.push(item);
      if (items.length === count) {
        stream.cancel();
        resolve(items);
      }
    });
    stream.on("error", (error) => (items.length === count ? resolve(items) : reject(error)));
    stream.on("end", () => resolve(items));
  });
}

const checks = {
  async "append, read, count, stat"() {
    const entries = ["a", "b", "c"].map((text, n) => ({
      payload: Buffer.from(JSON.stringify(text)), order_key: "o", dedup_key: `k${n}`, metadata: { n: `${n}` },
      tags: ["t", text],
    }));
    const first = await call("Append", { stream: "s/1:ü", entries });
    assert.equal(first.ids.length, 3);
    const again = await call("Append", { stream: "s/1:ü", entries });
    assert.deepEqual([again.ids.length, again.entries.map((entry) => entry.duplicate)], [0, [true, true, true]]);
    const { entries: read } = await call("Read", { stream: "s/1:ü", options: { limit: 2, metadata_filters: {} } });
    assert.deepEqual(read.map((entry) => entry.payload.toString()), ['"a"', '"b"']);
    assert.deepEqual([read[0].schema_version, read[0].stream, read[0].position], ["1", "s/1:ü", "1"]);
    assert.equal((await call("Read", { stream: "s/1:ü", options: { all_tags: ["t", "c"] } })).entries.length, 1);
    assert.equal((await call("Count", { stream: "s/1:ü" })).count, "3");
    const stat = await call("Stat", { stream: "s/1:ü" });
    assert.deepEqual([stat.count, stat.first_id, stat.last_id], ["3", first.ids[0], first.ids[2]]);
  },
  async "tags, annotations, trim, rename, list, search"() {
    const { ids } = await call("Append", { stream: "c", entries: [{ payload: bytes('"needle 1"') }, { payload: bytes("2") }] });
    await call("SetTags", { stream: "c", id: ids[0], tags: ["x"] });
    await call("SetAnnotations", { stream: "c", id: ids[0], set: { a: "1", b: "2" }, delete: ["b"] });
    const { entries } = await call("Search", { query: "NEEDLE" });
    assert.deepEqual([entries[0].tags, entries[0].annotations], [["x"], { a: "1" }]);
    assert.equal((await call("Trim", { stream: "c", before_id: ids[0] })).deleted, "1");
    await call("RenameStream", { name: "c", new_name: "d" });
    assert.deepEqual((await call("ListStreamIDs", {})).stream_ids, ["d", "s/1:ü"]);
    await refused(status.NOT_FOUND, call("RenameStream", { name: "c", new_name: "e" }));
    await refused(status.ALREADY_EXISTS, call("RenameStream", { name: "c", new_name: "d" }));
    await refused(status.NOT_FOUND, call("SetTags", { stream: "d", id: "999", tags: [] }));
    await refused(status.INVALID_ARGUMENT, call("SetTags", { stream: "d", id: "x", tags: [] }));
    await refused(status.INVALID_ARGUMENT, call("Count", { stream: "" }));
  },
  async "the additions"() {
    const { results } = await call("AppendAll", {
      appends: [
        { stream: "m1", entries: [{ payload: bytes("1") }], expected_end: { new: true } },
        { stream: "m2", entries: [{ payload: bytes("2"), source_id: "there/2" }] },
      ],
    });
    assert.equal(results.length, 2);
    const conflict = await refused(status.ABORTED, call("Append", {
      stream: "m1", entries: [{ payload: bytes("1") }], expected_end: { new: true },
    }));
    assert.ok(conflict.metadata.get("grpc-status-details-bin")[0].length > 20);
    assert.equal((await call("Find", { id: results[0].end })).entry.stream, "m1");
    assert.equal((await call("Find", { stream: "m2", source_id: "there/2" })).entry.id, results[1].end);
    const all = await call("ReadAll", { after: 0, limit: 1000 });
    const positions = all.entries.map((entry) => Number(entry.position));
    assert.deepEqual(positions, [...positions].sort((a, b) => a - b));
    assert.equal((await call("GetEnd", { by_position: true })).end, `${positions.at(-1)}`);
    assert.ok((await call("GetStore", {})).capabilities.includes("CAPABILITY_PUSH"));
    await refused(status.UNIMPLEMENTED, call("Search", { query: "x", full_text: true }));
  },
  async "subscriptions and watches"() {
    const items = take(client.Subscribe({ stream: "live" }, metadata()), 3);
    const every = take(client.SubscribeAll({ after: 0 }, metadata()), 5);
    const signs = take(client.WatchStore({}, metadata()), 2);
    await call("Append", { stream: "live", entries: [{ payload: bytes("1") }, { payload: bytes("2") }] });
    assert.deepEqual((await items).map((item) => item.item).sort(), ["caught_up", "entry", "entry"]);
    assert.equal((await every).length, 5);
    assert.equal((await signs).length, 2);
  },
  async "consumers"() {
    const stream = client.Consume(metadata());
    const answers = [];
    let wake;
    stream.on("data", (answer) => { answers.push(answer); wake?.(); });
    stream.on("error", (error) => { answers.push(error); wake?.(); });
    const ask = async (message) => {
      stream.write(message);
      while (answers.length === 0) await new Promise((resolve) => (wake = resolve));
      return answers.shift();
    };
    assert.equal((await ask({ number: 1, acquire: { name: "c" } })).acquired.epoch, "1");
    const { delivery } = await ask({ number: 2, receive: {} });
    assert.equal(delivery.entry.position, "1");
    assert.equal((await ask({ number: 3, acknowledge: { position: 1 } })).kind, "done");
    assert.equal((await ask({ number: 4, fail: { position: 1, error: "late" } })).error.code, 9);
    stream.end();
    await new Promise((resolve) => stream.on("end", resolve));
    assert.equal((await call("ListConsumers", {})).consumers[0].position, "1");
    assert.equal((await call("ResetConsumer", { name: "c", after: 2 })).found, true);
    assert.equal((await call("ReleaseParked", { name: "c", position: 1 })).found, false);
    assert.ok((await call("UpdateConsumer", { name: "c" })).state.includes('"read":2'));
    assert.equal((await call("DropConsumer", { name: "c" })).found, true);
  },
  async "deadline and cancel"() {
    const late = client.SubscribeAll({ after: 0 }, metadata(), { deadline: Date.now() + 300 });
    assert.equal((await new Promise((resolve) => { late.on("error", resolve); late.on("data", () => {}); })).code,
      status.DEADLINE_EXCEEDED);
    const given = client.SubscribeAll({ after: 0 }, metadata());
    given.once("data", () => given.cancel());
    assert.equal((await new Promise((resolve) => given.on("error", resolve))).code, status.CANCELLED);
    // Of a call with one answer: a daemon that stands still gives none, however slow everything else is.
    assert.equal((await call("Count", { stream: "s" })).count, "0");
    process.kill(settings.pid, "SIGSTOP");
    try {
      const deadline = { deadline: Date.now() + 200 };
      await refused(status.DEADLINE_EXCEEDED, call("Count", { stream: "s" }, metadata(), deadline));
      let sent;
      const answer = new Promise((resolve, reject) => {
        sent = client.Count({ stream: "s" }, metadata(), (error, response) => (error ? reject(error) : resolve(response)));
      });
      setTimeout(() => sent.cancel(), 50);
      await refused(status.CANCELLED, answer);
    } finally {
      process.kill(settings.pid, "SIGCONT");
    }
    assert.equal((await call("Count", { stream: "s" })).count, "0");
  },
  async "large messages"() {
    await call("Append", { stream: "large", entries: [{ payload: Buffer.alloc(16 << 20, 7) }] });
    const { entries } = await call("Read", { stream: "large" });
    assert.equal(entries[0].payload.length, 16 << 20);
    await refused(status.RESOURCE_EXHAUSTED,
      call("Append", { stream: "large", entries: [{ payload: Buffer.alloc(21 << 20) }] }));
    // A client that takes 4 MiB, as the original's do, reads page by page.
    for (let n = 0; n < 6; n++) {
      await call("Append", { stream: "pages", entries: [{ payload: Buffer.alloc(1 << 20) }] });
    }
    const small = new ledger.LedgerService(settings.address, grpc.credentials.createInsecure());
    let after = "", count = 0;
    for (let more = true; more;) {
      const page = await call("Read", { stream: "pages", options: { after } }, metadata(), {}, small);
      ({ more } = page);
      count += page.entries.length;
      after = page.entries.at(-1).id;
    }
    assert.equal(count, 6);
    small.close();
  },
  async "wrong messages and methods"() {
    const raw = (path, body) => new Promise((resolve, reject) => client.makeUnaryRequest(
      path, (value) => value, (value) => value, body, metadata(), {},
      (error, response) => (error ? reject(error) : resolve(response))));
    await refused(status.INTERNAL, raw("/ledger.v1.LedgerService/Read", Buffer.from([10, 255])));
    await refused(status.UNIMPLEMENTED, raw("/ledger.v1.LedgerService/Nothing", Buffer.alloc(0)));
    await refused(status.UNIMPLEMENTED, raw("/no.Service/Read", Buffer.alloc(0)));
    assert.ok(await raw("/ledger.v1.LedgerService/Count", Buffer.from([10, 1, 115, 0xea, 4, 1, 65])));
  },
  async "metadata, keys and stores"() {
    await refused(status.INVALID_ARGUMENT, call("Count", { stream: "s" }, metadata(null)));
    await refused(status.UNAUTHENTICATED, call("Count", { stream: "s" }, metadata("foreign", "wrong")));
    await refused(status.UNAUTHENTICATED, call("Count", { stream: "s" }, metadata("foreign", null)));
    assert.equal((await call("Health", {}, metadata(null, null))).status, "ok");
    assert.equal((await call("Count", { stream: "s" }, metadata("never_made"))).count, "0");
  },
  async "health, reflection and administration"() {
    const probe = new health.Health(settings.address, grpc.credentials.createInsecure());
    assert.equal((await call("Check", { service: "" }, new grpc.Metadata(), {}, probe)).status, "SERVING");
    assert.equal((await take(probe.Watch({ service: "" }, new grpc.Metadata()), 1))[0].status, "SERVING");
    probe.close();
    const mirror = new reflection.ServerReflection(settings.address, grpc.credentials.createInsecure());
    const asked = mirror.ServerReflectionInfo(metadata());
    asked.write({ list_services: "" });
    const [answer] = await take(asked, 1);
    assert.ok(answer.list_services_response.service.some((one) => one.name === "ledger.v1.LedgerService"));
    mirror.close();
    const operator = new admin.AdminService(settings.address, grpc.credentials.createInsecure());
    const { stores } = await call("ListStores", {}, metadata(), {}, operator);
    assert.ok(stores.includes("foreign") && !stores.includes("never_made"));
    assert.deepEqual((await call("Reload", {}, metadata(), {}, operator)).changed, []);
    await call("ListHooks", {}, metadata(), {}, operator);
    await refused(status.NOT_FOUND, call("RetryHook", { name: "none", all: true }, metadata(), {}, operator));
    await refused(status.NOT_FOUND, call("DropHook", { name: "none", position: 1 }, metadata(), {}, operator));
    await refused(status.UNAUTHENTICATED, call("ListStores", {}, metadata(null, null), {}, operator));
    operator.close();
  },
  async "TLS and mutual TLS"() {
    const [ca, cert, key] = ["ca", "cert", "key_file"].map((name) => readFileSync(settings[name]));
    const over = async (address, credentials, work) => {
      const secure = new ledger.LedgerService(address, credentials);
      try {
        return await work(secure);
      } finally {
        secure.close();
      }
    };
    const probe = (secure) => call("Health", {}, new grpc.Metadata(), { deadline: Date.now() + 60000 }, secure);
    const appendAndRead = async (secure) => {
      const entries = [{ payload: bytes('"over TLS"') }];
      await refused(status.UNAUTHENTICATED, call("Append", { stream: "t", entries }, metadata("t", null), {}, secure));
      const { ids } = await call("Append", { stream: "t", entries }, metadata("t"), {}, secure);
      const { entries: read } = await call("Read", { stream: "t" }, metadata("t"), {}, secure);
      assert.deepEqual(read.map((entry) => [entry.id, entry.payload.toString()]), [[ids[0], '"over TLS"']]);
      return (await probe(secure)).status;
    };
    const { createSsl } = grpc.credentials;
    assert.equal(await over(settings.tls, createSsl(ca, key, cert), appendAndRead), "ok");
    await refused(status.UNAVAILABLE, over(settings.tls, createSsl(ca), probe));
    await refused(status.UNAVAILABLE, over(settings.tls, createSsl(cert, key, cert), probe));
    assert.equal(await over(settings.tlsOnly, createSsl(ca), appendAndRead), "ok");
  },
};

for (const [name, check] of Object.entries(checks)) {
  const begin = Date.now();
  try {
    await check();
  } catch (error) {
    console.error(`${name}: ${error.stack}`);
    process.exit(1);
  }
  console.log(`${name}: ${Date.now() - begin} ms`);
}
client.close();
