// A simulated PBX, the far end and a gateway, each a process of its own in a folder that goes with them.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const PROGRAMS = resolve(process.env.RINGWAY_PROGRAMS ?? "../../target/debug");
const TOKEN = "0123456789abcdef0123456789abcdef0123456789abcdef";
/** Longest wait for anything, in milliseconds: machines may be slow and busy. */
export const PATIENCE = 30_000;

const later = (ms) => new Promise((go) => setTimeout(go, ms));

/** Waits until `look` gives something, and gives that. */
export async function until(what, look) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await later(50);
  }
}

function freePort() {
  return new Promise((done, failed) => {
    const server = createServer();
    server.on("error", failed);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

function answers(url) {
  return new Promise((done) => {
    const asked = request(url, { rejectUnauthorized: false }, (answer) => {
      answer.resume();
      done(answer.statusCode);
    });
    asked.on("error", () => done(undefined));
    asked.end();
  });
}

/** How many bytes a file takes on its way, compressed. */
export function sizeOf(url) {
  return new Promise((done, failed) => {
    const headers = { "accept-encoding": "br, gzip" };
    const asked = request(url, { rejectUnauthorized: false, headers }, (answer) => {
      let bytes = 0;
      answer.on("data", (chunk) => (bytes += chunk.length));
      answer.on("end", () => done(bytes));
    });
    asked.on("error", failed);
    asked.end();
  });
}

export class Site {
  folder = mkdtempSync(join(tmpdir(), "ringway-browser-"));
  running = {};

  static async start() {
    const site = new Site();
    try {
      await site.#startAll();
      return site;
    } catch (error) {
      await site.end();
      throw error;
    }
  }

  async #startAll() {
    const [portal, cloud] = [await freePort(), await freePort()];
    this.base = `https://127.0.0.1:${portal}`;
    const at = (name) => join(this.folder, name);
    mkdirSync(at("gateway"));
    writeFileSync(at("token"), TOKEN, { mode: 0o600 });
    writeFileSync(
      at("cloud.toml"),
      `listen = "127.0.0.1:${cloud}"\ndata-dir = "${at("cloud")}"\n` +
        `[[gateways]]\naccount-id = "acme"\nsite-id = "north"\ngateway-id = "gw-1"\ntoken = "${TOKEN}"\n` +
        `[[applications]]\nname = "tests"\naccount-id = "acme"\ntoken = "${[...TOKEN].reverse().join("")}"\n`,
      { mode: 0o600 },
    );
    await this.startPbx("127.0.0.1:0");
    this.#run("cloud", "ringway-cloud", ["run", "--config", at("cloud.toml")]);
    await until("the far end", () => answers(`https://127.0.0.1:${cloud}/livez`));
    writeFileSync(
      at("ringway.toml"),
      `[gateway]\naccount-id = "acme"\nsite-id = "north"\ngateway-id = "gw-1"\nstate-dir = "${at("gateway")}"\n` +
        `[pbx]\naddress = "${this.csta}"\ndevices = ["2000-2019"]\n` +
        `[uplink]\nurl = "wss://127.0.0.1:${cloud}/gateway/v1/channel"\ntoken-file = "${at("token")}"\n` +
        `ca-file = "${at("cloud/tls.crt")}"\n` +
        `[portal]\nlisten = "127.0.0.1:${portal}"\n[outbox]\nballast-bytes = 0\n`,
    );
    await this.startGateway();
  }

  async startPbx(listen) {
    const arguments_ = ["--control", "127.0.0.1:0", "run", "--listen", listen, "--extensions", "2000-2019"];
    this.#run("pbx", "ringway-pbx-sim", arguments_);
    const said = (word) => new RegExp(`^${word} +([0-9.:]+)`, "m").exec(this.log("pbx"))?.[1];
    this.control = await until("the PBX's control port", () => said("control"));
    this.csta = said("CSTA");
  }

  async startGateway() {
    this.#run("gateway", "ringway", ["run", "--config", join(this.folder, "ringway.toml")]);
    await until("the portal", () => answers(`${this.base}/livez`));
  }

  setupCode() {
    const arguments_ = ["setup-code", "--config", join(this.folder, "ringway.toml")];
    const said = execFileSync(join(PROGRAMS, "ringway"), arguments_, { encoding: "utf8" });
    const code = /^[0-9A-Z]{5,}(-[0-9A-Z]{5,})+$/m.exec(said);
    if (!code) throw new Error(`no setup code in: ${said}`);
    return code[0];
  }

  /** Carries out a command at the PBX. */
  pbx(...words) {
    const program = join(PROGRAMS, "ringway-pbx-sim");
    return execFileSync(program, ["--control", this.control, ...words], { encoding: "utf8" });
  }

  log(name) {
    return readFileSync(join(this.folder, `${name}.log`), "utf8");
  }

  #run(name, program, arguments_) {
    const log = openSync(join(this.folder, `${name}.log`), "w");
    const child = spawn(join(PROGRAMS, program), arguments_, { stdio: ["ignore", log, log] });
    child.on("error", (error) => writeFileSync(log, String(error)));
    this.running[name] = child;
  }

  async stop(name) {
    const child = this.running[name];
    delete this.running[name];
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once("exit", done));
    child.kill("SIGTERM");
    const killer = setTimeout(() => child.kill("SIGKILL"), 20_000);
    await gone;
    clearTimeout(killer);
  }

  async end() {
    for (const name of Object.keys(this.running)) await this.stop(name);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
