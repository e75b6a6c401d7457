// Starts aimock, an independent mock of model providers, with a team of four that answers, votes and presents,
// each in a protocol of its own.
//
//   node aimock.mjs [--faults SHARE] [--seed NUMBER]
//
// Prints one line of JSON, {"url": …}, when it serves (loopback, a free port). Every line `journal` on its standard
// input is answered with one line of JSON: all that aimock saw and did, by its own journal. It stops when its standard
// input closes, so it never outlives the program that started it.
//
// A request belongs to an agent by its model name: `peer-one` to `peer-four`, each with a suffix of the form `-7`, by
// which the caller tells its runs apart. All of run 0, 4, 8, … vote for agent1, all of run 1, 5, … for agent2, and so on,
// so that everyone presents in some run. Only the key `peer-key` is let in.

import { createInterface } from "node:readline";

import { LLMock } from "@copilotkit/aimock";

const options = readOptions(process.argv.slice(2));
seedRandom(options.seed);

const TEAM = ["peer-one", "peer-two", "peer-three", "peer-four"];
// Each kind of fault takes one fifth of all requests that fail: 500, malformed, 429, closed before the first byte
// (all four are aimock's chaos options), and cut in the middle of the stream (a fixture that stops).
const share = options.faults / 5;
const cuts = new WeakMap();

const mock = new LLMock({
  host: "127.0.0.1",
  port: 0,
  strict: true,
  logLevel: "silent",
  auth: { apiKeys: ["peer-key"] },
  // aimock draws these one after the other and the first hit wins, so later ones are conditional.
  chaos: {
    dropRate: share,
    malformedRate: share / (1 - share),
    rateLimitRate: share / (1 - 2 * share),
    disconnectRate: share / (1 - 3 * share),
  },
});

for (const model of TEAM) {
  const answer = `The harbour master of ${model} counts two high tides a day, `.repeat(6).trim();
  const present = call("new_answer", { content: `There are two high tides a day, as ${model} tells it.` });
  const submit = call("new_answer", { content: answer });
  const vote = (request) => call("vote", { agent_id: elected(request), reason: "It counts the tides and says how." });
  add(model, (request) => isPresentation(request), present);
  add(model, (request) => !isPresentation(request) && !hasCalled(request, "new_answer"), submit);
  add(model, (request) => !isPresentation(request) && hasCalled(request, "new_answer"), vote);
}

console.log(JSON.stringify({ url: await mock.start() }));
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const known = line === "journal";
  console.log(JSON.stringify(known ? mock.getRequests().map(withoutFixture) : { error: `unknown request: ${line}` }));
});
lines.on("close", async () => {
  await mock.stop();
  process.exit(0);
});

function withoutFixture({ response: { fixture, ...response }, ...entry }) {
  return { ...entry, response };
}

// Two fixtures for one situation: the first is cut after a few chunks and is taken for a share of the requests.
function add(model, applies, response) {
  const broken = { match: { model, predicate: (request) => isCut(request) && applies(request) }, response };
  // Without a pause between its pieces the connection would be gone before the first of them has left.
  mock.addFixture({ ...broken, truncateAfterChunks: 3, latency: 5 });
  mock.addFixture({ match: { model, predicate: applies }, response });
}

function isCut(request) {
  if (!cuts.has(request)) cuts.set(request, Math.random() < share / (1 - 4 * share));
  return cuts.get(request);
}

// An agent that has failed for good may have no answer; then the first one that has one.
function elected(request) {
  const wanted = `agent${(Number(request.model.split("-").at(-1)) % TEAM.length) + 1}`;
  const all = request.messages.map((message) => text(message.content)).join("\n");
  const answered = [...all.matchAll(/<answer id="(agent\d+)\./g)].map(([, agent]) => agent);
  return answered.includes(wanted) ? wanted : (answered[0] ?? wanted);
}

function call(name, args) {
  return { toolCalls: [{ name, arguments: JSON.stringify(args) }] };
}

function hasCalled(request, tool) {
  return request.messages.some((message) => message.tool_calls?.some((call) => call.function.name === tool));
}

// The presentation is the one request that asks for the final answer since the agent's last reply.
function isPresentation(request) {
  const last = request.messages.findLastIndex((message) => message.role === "assistant");
  return request.messages.slice(last + 1).some((message) => /final answer/i.test(text(message.content)));
}

function text(content) {
  if (typeof content === "string") return content;
  return Array.isArray(content) ? content.map((part) => part.text ?? "").join("") : "";
}

function readOptions(words) {
  const options = { faults: 0, seed: 1 };
  for (let at = 0; at < words.length; at += 2) {
    const name = words[at].replace(/^--/, "");
    const value = Number(words[at + 1]);
    if (!(name in options) || !Number.isFinite(value)) {
      console.error(`unknown option or value: ${words[at]} ${words[at + 1]}`);
      process.exit(2);
    }
    options[name] = value;
  }
  return options;
}

// aimock draws its chaos with Math.random: a seed makes a failed test run repeatable, up to the order of arrival.
function seedRandom(seed) {
  let state = seed >>> 0;
  Math.random = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
