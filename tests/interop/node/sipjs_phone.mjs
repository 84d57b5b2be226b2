// A phone of SIP.js, which a test orders about: a JSON line in is an order, a JSON line out is what happened.
//   node sipjs_phone.mjs MODULES URL USER PASSWORD
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

const [modules, url, user, password] = process.argv.slice(2);
globalThis.WebSocket = createRequire(import.meta.url)(path.join(modules, "ws")); // which a browser has
const { Registerer, Subscriber, SubscriptionState, UserAgent } = await import(
  pathToFileURL(path.join(modules, "sip.js/lib/index.js")));

const tell = (event, facts = {}) => console.log(JSON.stringify({ event, ...facts }));

const ua = new UserAgent({
  uri: UserAgent.makeURI(user),
  authorizationUsername: user.replace(/^sip:(.*)@.*/, "$1"),
  authorizationPassword: password,
  transportOptions: { server: url, keepAliveInterval: 1 },
  logBuiltinEnabled: false,
});
ua.transport.onConnect = () => tell("connected");
ua.transport.onDisconnect = () => tell("disconnected");

let subscriber;

const orders = {
  register() {
    const registerer = new Registerer(ua, { regId: 1, instanceId: crypto.randomUUID() });
    registerer.register({
      requestDelegate: {
        onAccept: ({ message }) => tell("registered", { contact: message.getHeader("Contact") }),
        onReject: ({ message }) => tell("refused", { cause: message.statusCode }),
      },
    });
  },
  subscribe(owner, accept) {
    const extraHeaders = [`Accept: ${accept}`];
    subscriber = new Subscriber(ua, UserAgent.makeURI(owner), "contact-card", { expires: 600, extraHeaders });
    subscriber.delegate = {
      onNotify(notification) {
        const { request } = notification;
        notification.accept();
        tell("notify", {
          body: request.body,
          type: request.getHeader("Content-Type"),
          via: request.getHeader("Via"),
        });
      },
    };
    subscriber.stateChange.addListener((state) => {
      if (state === SubscriptionState.Terminated) tell("terminated");
    });
    subscriber.subscribe();
  },
  refresh: () => subscriber.subscribe(),
  unsubscribe: () => subscriber.unsubscribe(),
  reconnect: () => ua.transport.disconnect().then(() => ua.transport.connect()),
};

readline
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [name, ...words] = JSON.parse(line);
    orders[name](...words);
  })
  .on("close", () => process.exit(0));

await ua.start();
