// The page of docs/web-phones.md with JsSIP, tells what it is shown.
//   node documented_page.cjs MODULES SCRIPT
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const [modules, script] = process.argv.slice(2);
globalThis.WebSocket = require(path.join(modules, "ws")); // these are a browser's
const kept = new Map();
const localStorage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value) };
const show = (body) => console.log(JSON.stringify({ event: "notify", body }));

new Function("JsSIP", "localStorage", "show", fs.readFileSync(script, "utf8"))(
  require(path.join(modules, "jssip")), localStorage, show);

process.stdin.on("end", () => process.exit(0)).resume();
