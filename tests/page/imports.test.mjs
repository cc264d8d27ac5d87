// Logging in, and imports as they move.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Browser } from "./browser.mjs";
import { MR, Site, VARIOUS } from "./server.mjs";

let site, browser;

before(async () => {
  site = await Site.start("imports", ["--workers", "1"]);
  browser = await Browser.start(site, "imports");
});

after(async () => {
  await browser.end();
  await site.stop();
});

const text = (page) => page.locator("#content").innerText();

test("a wrong password is told, and a right one leads to where one wanted to go", async () => {
  const page = await browser.window();
  await page.goto(`${site.url}/imports/new?project=P`);
  assert.match(page.url(), /\/login\?to=/);
  await browser.look(page, "login");
  await page.getByLabel("Name").fill("root");
  await page.getByLabel("Password").fill("a wrong one");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").waitFor();
  assert.match(await page.getByRole("alert").innerText(), /name or the password is wrong/);
  await browser.look(page, "login-refused");
  await page.getByLabel("Password").fill("a longer password");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Start an import" }).waitFor();
  assert.equal(new URL(page.url()).search, "?project=P");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.goto(`${site.url}/`);
  assert.match(page.url(), /\/login/);
});

test("the first page is small and there in a second", async () => {
  const page = await browser.logIn("root");
  let bytes = 0;
  page.on("response", async (response) => {
    bytes += (await response.body().catch(() => "")).length;
  });
  await page.goto(`${site.url}/`, { waitUntil: "load" });
  const timing = await page.evaluate(() => performance.getEntriesByType("navigation")[0].domInteractive);
  assert.ok(bytes > 0 && bytes < 100_000, `${bytes} bytes`);
  assert.ok(timing < 1000, `${timing} ms`);
  assert.match(await text(page), /Nothing has been imported yet/);
  await browser.look(page, "empty");
});

test("an import is started from the inbox, and seen to its end", async () => {
  const folder = site.fill("P", "round 1/brain", MR);
  writeFileSync(join(folder, "notes.txt"), "none");
  const page = await browser.logIn("otto");
  const watched = await browser.logIn("otto");
  await page.getByRole("link", { name: "Start an import" }).click();
  // A folder that is not there is no dead end.
  await page.goto(`${site.url}/imports/new?project=Q&path=gone`);
  assert.match(await text(page), /no such folder/);
  await page.getByLabel("Inbox of").selectOption("P");
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByRole("link", { name: "round 1/" }).click();
  await page.getByRole("link", { name: "brain/" }).click();
  await browser.look(page, "start");
  await page.getByLabel("Subject").fill("S 1");
  await page.getByRole("button", { name: "Import" }).click();
  // Refused by REST, with what was typed still there.
  assert.match(await page.getByRole("alert").innerText(), /SUBJECT_ID/);
  assert.equal(await page.getByLabel("Subject").inputValue(), "S 1");
  await browser.look(page, "start-refused");
  await page.getByLabel("Subject").fill("S1");
  await page.getByRole("textbox", { name: /^Session/ }).fill("S1_MR1");
  await page.getByRole("button", { name: "Import" }).click();
  await page.getByRole("heading", { name: /^Import \d+ Completed/ }).waitFor();
  const told = await text(page);
  assert.match(told, /21 files found/);
  assert.match(told, /not DICOM 1/);
  assert.match(told, /notes\.txt/);
  assert.match(told, /What the rules did/);
  assert.match(told, /xnat-default/);
  await browser.look(page, "completed");
  // The list of another window follows without being asked.
  await watched.getByRole("link", { name: "S1 / S1_MR1" }).waitFor();
  await browser.look(watched, "list");
});

test("a failed import says why, and is called for again", async () => {
  const folder = site.fill("P", "none", []);
  writeFileSync(join(folder, "readme.txt"), "not DICOM");
  const request = await site.import("P", folder);
  assert.equal(request.status, "Failed");
  const page = await browser.logIn("root");
  await page.goto(`${site.url}/imports/${request.id}`);
  assert.match(await text(page), /readme\.txt/);
  await browser.look(page, "failed");
  await page.getByRole("button", { name: "Call again" }).click();
  assert.match(await page.getByRole("status").last().innerText(), /called for again/);
  await page.getByRole("link", { name: `import ${request.id}` }).waitFor();
});

test("imports are found by what they are", async () => {
  await site.import("Q", site.fill("Q", "ct", [join(VARIOUS, "CT_small.dcm")]));
  const page = await browser.logIn("root");
  await page.keyboard.press("/");
  await page.keyboard.type("brain");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=brain/);
  assert.deepEqual(await page.locator("tbody .path").allInnerTexts(), ["round 1/brain"]);
  await page.getByLabel("Search").fill("");
  await page.getByLabel("State").selectOption("Failed");
  await page.getByLabel("Project").fill("Q");
  await page.getByRole("button", { name: "Show" }).click();
  assert.match(await text(page), /No import is like that/);
});

test("a queued import is cancelled once it was asked for", async () => {
  const one = site.fill("P", "many", MR);
  const form = (n) => ({ "import-handler": "inbox", PROJECT_ID: "P", path: one, SUBJECT_ID: `M${n}`, EXPT_LABEL: `M${n}` });
  let uri;
  for (let n = 0; n < 12; n++) uri = (await site.call("POST", "/data/services/import", { form: form(n) })).trim();
  const page = await browser.logIn("root");
  await page.goto(`${site.url}${uri.replace("/xapi/dicom", "/imports")}`);
  page.once("dialog", (dialog) => dialog.dismiss());
  await page.getByRole("button", { name: "Cancel" }).click();
  page.once("dialog", (dialog) => dialog.accept());
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("heading", { name: /Failed/ }).waitFor();
  assert.match(await text(page), /ancelled/);
});

test("one sees one's own imports, and nothing of others", async () => {
  const page = await browser.logIn("eve");
  assert.match(await text(page), /Nothing has been imported yet/);
  const answer = await page.goto(`${site.url}/imports/1`);
  assert.equal(answer.status(), 404);
  await browser.look(page, "not-found");
});

test("a lost connection is told, and recovered from", async () => {
  const page = await browser.logIn("root");
  const banner = page.getByText("The connection to the server is lost");
  await page.waitForFunction(() => document.getElementById("connection").hidden);
  await site.stop("SIGKILL");
  await banner.waitFor({ state: "visible" });
  await browser.look(page, "lost");
  await site.serve(site.listen);
  await banner.waitFor({ state: "hidden" });
  const folder = site.fill("P", "after", [join(VARIOUS, "MR_small.dcm")]);
  await site.import("P", folder, { SUBJECT_ID: "AFTER", EXPT_LABEL: "AFTER_1" });
  await page.getByRole("link", { name: "AFTER / AFTER_1" }).waitFor();
});
