// What waits: the list, one session with its pictures, headers, conflicts, and what is done about them.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Browser } from "./browser.mjs";
import { MR, Site, VARIOUS } from "./server.mjs";

let site, browser;

before(async () => {
  site = await Site.start("prearchive");
  browser = await Browser.start(site, "prearchive");
});

after(async () => {
  await browser.end();
  await site.stop();
});

const text = (page) => page.locator("#content").innerText();
const labels = (label) => ({ SUBJECT_ID: "S1", EXPT_LABEL: label });
const various = (name) => [join(VARIOUS, name)];

const waiting = async (label, files, more = {}) => {
  const imported = await site.import("P", site.fill("P", label, files), { ...labels(label), ...more });
  return imported.sessions[0];
};

/** Each picture of the view, as the browser has it. */
const pictures = (page) =>
  page.locator("ul.series img").evaluateAll((images) =>
    Promise.all(
      images.map(async (image) => {
        image.loading = "eager";
        await image.decode();
        return [image.naturalWidth, image.naturalHeight];
      }),
    ),
  );

test("series are shown with pictures, also of compressed and of colour", async () => {
  await waiting("BRAIN", MR);
  await waiting("ULTRASOUND", various("examples_palette.dcm"));
  await waiting("NM", various("JPEG2000.dcm"));
  await waiting("JPEGLS", various("MR_small_jpeg_ls_lossless.dcm"));
  await waiting("REPORT", various("test-SR.dcm"));
  const page = await browser.logIn("ada");
  await page.getByRole("link", { name: "Prearchive" }).click();
  await page.getByRole("cell", { name: "S1 / BRAIN" }).first().waitFor();
  await browser.look(page, "list");
  const sizes = { BRAIN: [256, 256], ULTRASOUND: [256, 112], NM: [64, 256], JPEGLS: [128, 128], REPORT: [128, 128] };
  for (const [label, size] of Object.entries(sizes)) {
    await page.goto(`${site.url}/prearchive`);
    await page.getByRole("link", { name: `S1 / ${label}` }).click();
    await page.getByRole("heading", { name: `S1 / ${label}` }).waitFor();
    assert.deepEqual(await pictures(page), [size], label);
    await browser.look(page, `session-${label.toLowerCase()}`);
  }
});

test("a header is looked through, file by file", async () => {
  const page = await browser.logIn("ada");
  await page.goto(`${site.url}/prearchive?q=REPORT`);
  await page.getByRole("link", { name: "S1 / REPORT" }).click();
  await page.getByRole("link", { name: "Header of scan" }).click();
  await page.getByRole("rowheader", { name: "[0]" }).first().waitFor();
  await browser.look(page, "header");
  await page.keyboard.press("/");
  await page.keyboard.type("codemeaning");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=codemeaning/);
  assert.doesNotMatch(await text(page), /SOPInstanceUID/);
  await page.goto(`${site.url}/prearchive?q=BRAIN`);
  await page.getByRole("link", { name: "S1 / BRAIN" }).click();
  await page.getByRole("link", { name: "Header of scan" }).click();
  await page.getByRole("link", { name: "Next" }).click();
  assert.match(await text(page), /File 2 of 20/);
});

test("what REST refuses is said where it was asked for", async () => {
  const page = await browser.logIn("ada");
  await page.goto(`${site.url}/prearchive?q=NM`);
  await page.getByRole("link", { name: "S1 / NM" }).click();
  const form = page.locator("form.stacked", { has: page.getByRole("heading", { name: "Relabel" }) });
  await form.getByLabel("Session").fill("a/b");
  await form.getByRole("button").click();
  await page.getByRole("alert").waitFor();
  assert.equal(await form.getByLabel("Session").inputValue(), "a/b");
  await browser.look(page, "refused");
  await form.getByLabel("Session").fill("NM2");
  await form.getByRole("button").click();
  await page.getByRole("heading", { name: "S1 / NM2" }).waitFor();
});

test("two sessions in conflict stand side by side", async () => {
  const page = await browser.logIn("ada");
  await page.goto(`${site.url}/prearchive?q=BRAIN`);
  await page.getByRole("link", { name: "S1 / BRAIN" }).click();
  await page.getByRole("button", { name: "Archive" }).click();
  await page.getByText("The session is archived.").waitFor();
  assert.deepEqual(await pictures(page), [[256, 256]]);
  assert.equal(await page.getByRole("button", { name: "Delete" }).count(), 0);
  await browser.look(page, "archived");
  // The same study by other labels: its files carry those, and so differ.
  const other = await waiting("AGAIN", MR);
  const uri = `/data${other.uri}`;
  await site.call("PUT", uri, { form: { label: "BRAIN", subject: "S1" } });
  await page.goto(`${site.url}/prearchive?q=BRAIN`);
  await page.getByRole("link", { name: "S1 / BRAIN" }).click();
  await page.getByRole("link", { name: "Check what stands in the way" }).click();
  await page.getByRole("columnheader", { name: "The other session" }).waitFor();
  await browser.look(page, "conflict");
  await page.locator("a[href*='/compare?']").first().click();
  await page.getByRole("heading", { name: "An instance in two sessions" }).waitFor();
  assert.match(await text(page), /PatientID/);
  await browser.look(page, "compare");
  await page.goBack();
  await page.getByLabel("Where the session is archived already").selectOption("delete");
  await page.getByRole("button", { name: "Archive" }).click();
  await page.getByText("The session is archived.").waitFor();
});

test("quarantine is looked into and opened by an owner", async () => {
  const policy = { leak_check: "quarantine" };
  await site.call("PUT", "/xapi/rules/projects/P/policy", { json: policy });
  await waiting("LEAKY", various("CT_small.dcm"));
  const ada = await browser.logIn("ada");
  await ada.goto(`${site.url}/prearchive?status=QUARANTINED`);
  await ada.getByRole("link", { name: "S1 / LEAKY" }).click();
  assert.equal(await ada.locator("ul.series img").count(), 0);
  await ada.getByLabel("Reason").fill("seen");
  await ada.getByRole("button", { name: "Release" }).click();
  assert.match(await ada.getByRole("alert").first().innerText(), /Only an owner/);
  await browser.look(ada, "quarantine-refused");
  const otto = await browser.logIn("otto");
  await otto.goto(ada.url());
  assert.deepEqual(await pictures(otto), [[128, 128]]);
  await browser.look(otto, "quarantine");
  await otto.getByLabel("Reason").fill("seen");
  await otto.getByRole("button", { name: "Release" }).click();
  await otto.getByText("The session is released.").waitFor();
  await site.call("PUT", "/xapi/rules/projects/P/policy", { json: {} });
});

test("many are done at once, and those that can't be are named", async () => {
  const page = await browser.logIn("ada");
  await page.goto(`${site.url}/prearchive`);
  await page.getByLabel("All on this page").check();
  await page.getByRole("button", { name: "Release" }).click();
  await page.getByRole("alert").waitFor();
  assert.match(await page.getByRole("alert").innerText(), /Refused for \d sessions/);
  await browser.look(page, "bulk-refused");
  await page.getByLabel("for good").check();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByText(/\d sessions deleted/).waitFor();
  assert.match(await text(page), /No session waits/);
});
