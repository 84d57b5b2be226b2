// A phone of JsSIP, which a test orders about: a JSON line in is an order, a JSON line out is what happened.
//   node jssip_phone.cjs MODULES URL USER PASSWORD
"use strict";

const path = require("node:path");
const readline = require("node:readline");

const [modules, url, user, password] = process.argv.slice(2);
globalThis.WebSocket = require(path.join(modules, "ws")); // which a browser has
const JsSIP = require(path.join(modules, "jssip"));

const tell = (event, facts = {}) => console.log(JSON.stringify({ event, ...facts }));

const socket = new JsSIP.WebSocketInterface(url);
const ua = new JsSIP.UA({ sockets: [socket], uri: user, password, register: false });
ua.on("connected", () => tell("connected"));
ua.on("disconnected", () => tell("disconnected"));

let subscriber;

const orders = {
  register() {
    ua.on("registered", ({ response }) => tell("registered", { contact: response.getHeader("Contact") }));
    ua.on("registrationFailed", ({ cause }) => tell("refused", { cause }));
    ua.register();
  },
  subscribe(owner, accept) {
    subscriber = ua.subscribe(owner, "contact-card", accept, { expires: 600 });
    subscriber.on("notify", (final, request, body, type) => {
      if (!final) tell("notify", { body, type, via: request.getHeader("Via") });
    });
    subscriber.on("terminated", (code) => tell("terminated", { code }));
    subscriber.subscribe();
  },
  refresh: () => subscriber.subscribe(),
  unsubscribe: () => subscriber.terminate(),
  reconnect() {
    ua.transport.disconnect();
    ua.transport.connect();
  },
};

readline
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [name, ...words] = JSON.parse(line);
    orders[name](...words);
  })
  .on("close", () => {
    ua.stop();
    process.exit(0);
  });

ua.start();
