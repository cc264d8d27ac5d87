// Rules: the chain as a picture, its settings as forms, a rule written and tried, and going back.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Browser } from "./browser.mjs";
import { MR, Site } from "./server.mjs";

const CODE = `fn anonymize(ds, ctx) {
    ds.set("PatientName", ctx.subject);
    ds.remove("*/PatientAddress");
    keep()
}
`;

const CASE = {
  with: { PatientName: "Doe^John" },
  context: { subject: "S7" },
  expect: { elements: { PatientName: "S7" } },
};

let site, browser;

before(async () => {
  site = await Site.start("rules");
  browser = await Browser.start(site, "rules");
  const folder = join(site.data, "rules/modules/initials");
  mkdirSync(join(folder, "tests"), { recursive: true });
  const manifest = {
    name: "initials", version: "1.0.0", interface: "1", kind: "anonymize", engine: "rhai", entry: "rule.rhai",
    reads: [], writes: ["PatientName", "*/PatientAddress"], licence: "MIT",
    description: "The subject in the patient's place.",
  };
  writeFileSync(join(folder, "module.json"), JSON.stringify(manifest, null, 2));
  writeFileSync(join(folder, "rule.rhai"), CODE);
  writeFileSync(join(folder, "tests/the-subject-stands-for-the-patient.json"), JSON.stringify(CASE));
  site.fill("P", "brain", MR);
  const policy = {
    anonymize: [{ module: "initials" }, { module: "ps315-basic", at: "archive", settings: { retain_modified_dates: true } }],
    identified_prearchive: true,
    leak_check: "report",
  };
  await site.call("PUT", "/xapi/rules/projects/P/policy?reason=as+agreed", { user: "otto", json: policy });
});

after(async () => {
  await browser.end();
  await site.stop();
});

const text = (page) => page.locator("#content").innerText();
const policy = async () => JSON.parse(await site.call("GET", "/xapi/rules/projects/P/policy"));

test("the chain is a picture, and each gate is told of", async () => {
  const page = await browser.logIn("otto");
  await page.getByRole("link", { name: "Rules", exact: true }).click();
  await browser.look(page, "list");
  await page.getByRole("link", { name: "P", exact: true }).click();
  const gates = await page.locator("ol.gates").innerText();
  const names = ["inbox", "xnat-labels", "xnat-default", "initials", "ps315-basic", "xnat-routing"];
  const places = names.map((name) => gates.indexOf(name));
  assert.deepEqual(places, places.toSorted((a, b) => a - b), gates);
  assert.match(gates, /at the archive/);
  assert.match(await text(page), /retain_modified_dates\s+yes\s+Move dates by whole days/);
  await browser.look(page, "project");
  await page.getByRole("link", { name: "initials" }).first().click();
  assert.match(page.url(), /#step-2$/);
});

test("a setting is changed by a form, which tells what is wrong, and saved after its difference", async () => {
  const page = await browser.logIn("otto");
  await page.goto(`${site.url}/rules/P/edit`);
  await browser.look(page, "edit");
  const days = page.getByLabel("max shift days");
  await days.fill("0");
  // What a browser would refuse itself is refused by the server, too.
  await page.evaluate(() => document.querySelectorAll("form").forEach((form) => (form.noValidate = true)));
  await page.getByRole("button", { name: "Check, and show what changes" }).click();
  await page.getByText("0 is less than 1", { exact: true }).waitFor();
  assert.equal(await page.getByLabel("max shift days").inputValue(), "0");
  await browser.look(page, "edit-refused");
  await page.getByLabel("max shift days").fill("30");
  await page.getByLabel("retain uids").check();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "What would change" }).waitFor();
  await browser.look(page, "edit-checked");
  assert.match(await page.locator("pre.diff").innerText(), /\+\s+"max_shift_days": 30/);
  await page.getByLabel("Why").fill("dates by a month");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("The rules are changed").waitFor();
  assert.deepEqual((await policy()).anonymize[1].settings, {
    retain_modified_dates: true,
    retain_uids: true,
    max_shift_days: 30,
  });
  assert.match(await text(page), /dates by a month/);
});

test("steps are put in order by the keyboard alone", async () => {
  const page = await browser.logIn("otto");
  await page.goto(`${site.url}/rules/P/edit`);
  await page.getByLabel("Add a module").selectOption("redact-regions");
  await page.getByRole("button", { name: "Add the step" }).press("Enter");
  await page.getByRole("button", { name: "Move redact-regions up" }).press("Enter");
  const names = await page.locator("ol.chain h2").allInnerTexts();
  assert.deepEqual(names, ["initials", "redact-regions", "ps315-basic"]);
  await page.getByRole("button", { name: "As JSON" }).click();
  assert.match(await page.getByLabel("The policy as JSON").inputValue(), /redact-regions/);
  await browser.look(page, "edit-json");
  assert.equal((await policy()).anonymize.length, 2);
});

test("a rule is written: what is broken is shown at its line and never live, what is good is tried and saved", async () => {
  const page = await browser.logIn("root");
  await page.goto(`${site.url}/rules/~modules/initials`);
  await page.getByRole("button", { name: "Run its tests" }).click();
  await page.getByText("passed").waitFor();
  await browser.look(page, "module");
  await page.getByRole("link", { name: "rule.rhai" }).click();
  const code = page.getByLabel("rules/modules/initials/rule.rhai");
  const check = page.getByRole("button", { name: "Check, and show what changes" });
  await code.fill(CODE.replace("PatientName", "PatientNam"));
  await check.click();
  await page.getByText("This can't be saved").waitFor();
  assert.match(await text(page), /rules\/modules\/initials\/rule.rhai, line 2, column \d+: .*PatientName/);
  await browser.look(page, "rule-broken");
  const file = join(site.data, "rules/modules/initials/rule.rhai");
  assert.equal(readFileSync(file, "utf8"), CODE);
  await code.fill(CODE.replace("ctx.subject", '"Nobody^At^All"'));
  await check.click();
  // Its own test expects the subject.
  await page.getByText("the module fails its own test").waitFor();
  await code.fill(CODE.replace("    keep()", '    ds.set("PatientName", ctx.subject);\n    keep()'));
  await check.click();
  await page.getByRole("button", { name: /Try it on a file/ }).click();
  await page.getByText("not saved").waitFor();
  await page.getByRole("combobox", { name: "Project" }).selectOption("P");
  await page.getByRole("button", { name: "Open its inbox" }).click();
  await browser.look(page, "try");
  await page.getByLabel("A DICOM file").setInputFiles(join(site.data, "inbox/P/brain/0.dcm"));
  await page.getByRole("button", { name: "Try this file" }).click();
  await page.getByRole("heading", { name: "What the rules would do" }).waitFor();
  assert.match(await text(page), /ps315-basic/);
  await browser.look(page, "tried");
  await page.getByRole("button", { name: "brain/" }).click();
  await page.getByLabel("Which").selectOption({ index: 1 });
  await page.getByRole("button", { name: "Try it", exact: true }).click();
  await page.getByRole("heading", { name: "What the rules would do" }).waitFor();
  assert.equal(readFileSync(file, "utf8"), CODE);
});

test("an earlier version is looked at and active again", async () => {
  const page = await browser.logIn("otto");
  await page.goto(`${site.url}/rules/P`);
  const versions = page.getByRole("region", { name: "History" }).getByRole("row");
  await versions.nth(1).getByRole("link", { name: "against the one before" }).click();
  await browser.look(page, "diff");
  await page.goBack();
  await versions.nth(2).getByRole("link").first().click();
  await browser.look(page, "version");
  await page.getByLabel("Why").fill("too early");
  page.once("dialog", (dialog) => dialog.accept());
  await page.getByRole("button", { name: "Go back to this version" }).click();
  await page.getByText("is active again").waitFor();
  assert.match(await text(page), /too early/);
  await page.goto(`${site.url}/rules`);
  assert.match(await text(page), /rolled back/);
});

test("what a rule makes black is seen before and after, and a candidate's disagreements are told", async () => {
  const folder = join(site.data, "rules/modules/black");
  mkdirSync(folder, { recursive: true });
  const manifest = {
    name: "black", version: "1.0.0", interface: "1", kind: "anonymize", engine: "rhai", entry: "rule.rhai",
    reads: ["PixelData"], writes: ["PixelData", "*/IconImageSequence"], licence: "MIT",
  };
  writeFileSync(join(folder, "module.json"), JSON.stringify(manifest));
  writeFileSync(join(folder, "rule.rhai"), "fn anonymize(ds, ctx) { ds.redact(0, 0, 128, 128); keep() }\n");
  const rules = { anonymize: [{ module: "black" }], shadow: { anonymize: [{ module: "initials" }] } };
  await site.call("PUT", "/xapi/rules/projects/Q/policy?reason=trial", { json: rules });

  const page = await browser.logIn("otto");
  await page.goto(`${site.url}/rules/Q`);
  await page.getByRole("link", { name: "Try on a file" }).click();
  await page.getByLabel("A DICOM file").setInputFiles(join(site.data, "inbox/P/brain/0.dcm"));
  await page.getByRole("button", { name: "Try this file" }).click();
  await page.getByRole("heading", { name: "What the rules would do" }).waitFor();
  const pictures = await page.locator("main img").evaluateAll((all) => all.map((img) => [img.naturalWidth, img.src]));
  assert.equal(pictures.length, 2);
  assert.ok(pictures.every(([width]) => width > 100));
  assert.notEqual(pictures[0][1], pictures[1][1]);
  await browser.look(page, "pictures");

  const request = await site.import("Q", site.fill("Q", "one", [join(MR, "brain_001.dcm")]));
  await page.goto(`${site.url}/rules/Q`);
  await page.getByRole("heading", { name: "Candidates that ran beside imports" }).waitFor();
  assert.match(await text(page), /Beside 1 import: 1 file, 1 session; disagreements: 1 output/);
  await page.getByRole("link", { name: `Import ${request.id}` }).waitFor();
  await browser.look(page, "candidate");
});
