// The site: users, projects and roles, and how it does.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Browser } from "./browser.mjs";
import { MR, PASSWORD, Site, VARIOUS } from "./server.mjs";

let site, browser;

before(async () => {
  site = await Site.start("site");
  browser = await Browser.start(site, "site");
});

after(async () => {
  await browser.end();
  await site.stop();
});

const text = (page) => page.locator("#content").innerText();

test("an administrator adds a user, who may log in until let out", async () => {
  const page = await browser.logIn("root");
  await page.goto(`${site.url}/site/users`);
  await page.getByLabel("Name").fill("eve");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Add" }).click();
  await page.getByRole("alert").waitFor();
  assert.equal(await page.getByLabel("Name").inputValue(), "eve");
  await browser.look(page, "user-refused");
  await page.getByLabel("Name").fill("mia");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Add" }).click();
  await page.getByText("mia is added.").waitFor();
  await browser.look(page, "users");

  const mia = await browser.logIn("mia");
  await mia.getByRole("heading", { name: "Imports" }).waitFor();
  await mia.goto(`${site.url}/site`);
  assert.match(await text(mia), /no project yet that you are in/);
  assert.equal((await mia.goto(`${site.url}/site/users`)).status(), 403);

  page.once("dialog", (dialog) => dialog.accept());
  await page.getByRole("button", { name: "Let out: mia" }).click();
  await page.getByText("mia can't log in any more.").waitFor();
  await mia.goto(`${site.url}/`);
  assert.match(mia.url(), /\/login/);
});

test("a project is made, and its owner says who is in it and where sessions go", async () => {
  const page = await browser.logIn("root");
  await page.goto(`${site.url}/site/projects`);
  await page.getByLabel("ID").fill("a/b");
  await page.getByRole("button", { name: "Make" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("ID").fill("TRIAL");
  await page.getByLabel(/^Name/).fill("A trial");
  await page.getByRole("button", { name: "Make" }).click();
  await page.getByText("The project TRIAL is there.").waitFor();
  await page.getByLabel("User").fill("eve");
  await page.getByRole("button", { name: "Let in" }).click();
  await page.getByText("eve is in.").waitFor();
  await page.getByLabel("User").fill("nobody");
  await page.getByRole("button", { name: "Let in" }).click();
  await page.getByRole("alert").waitFor();

  const eve = await browser.logIn("eve");
  await eve.goto(`${site.url}/site/projects/TRIAL`);
  await eve.getByLabel("Sessions of this project").selectOption("4");
  await eve.getByRole("button", { name: "Save" }).last().click();
  await eve.getByText("Saved; the next import goes by it.").waitFor();
  assert.equal(await site.call("GET", "/data/projects/TRIAL/prearchive_code"), "4");
  await eve.getByLabel("User").fill("ada");
  await eve.getByLabel("Role").selectOption("collaborator");
  await eve.getByRole("button", { name: "Let in" }).click();
  await eve.getByText("ada is in.").waitFor();
  await browser.look(eve, "project");

  const ada = await browser.logIn("ada");
  await ada.goto(`${site.url}/site/projects/TRIAL`);
  await ada.getByRole("button", { name: "Save" }).last().click();
  assert.match(await ada.getByRole("alert").innerText(), /owner/);
});

test("an administrator sees how the site does", async () => {
  await site.import("P", site.fill("P", "mr", MR), { SUBJECT_ID: "S1", EXPT_LABEL: "S1_MR1" });
  await site.import("Q", site.fill("Q", "ct", [join(VARIOUS, "CT_small.dcm")]));
  const policy = { leak_check: "report" };
  await site.call("PUT", "/xapi/rules/projects/P/policy", { json: policy });
  await site.import("P", site.fill("P", "leaky", [join(VARIOUS, "MR_small.dcm")]));
  const page = await browser.logIn("root");
  await page.getByRole("link", { name: "Site" }).click();
  const told = await text(page);
  assert.match(told, /22 files|23 files/);
  assert.match(told, /alive/);
  assert.match(told, /project\.create|user\.add/);
  await browser.look(page, "overview");
  await page.getByRole("link", { name: "a week" }).click();
  assert.equal(new URL(page.url()).search, "?hours=168");
  await page.goto(`${site.url}/site?hours=9999`);
  assert.match(await text(page), /from 1 to 744/);
});
