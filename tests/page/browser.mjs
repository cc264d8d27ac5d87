// A browser that looks at every view twice, light and dark, keeps a picture of it and has axe judge it.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { chromium } from "playwright-core";

import { OUT, PASSWORD } from "./server.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

// Chromium looks for updates and the like unless it is told not to: no test may leave the machine.
const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export class Browser {
  static async start(site, name) {
    const browser = new Browser();
    browser.site = site;
    browser.pictures = join(OUT, name);
    mkdirSync(browser.pictures, { recursive: true });
    browser.chromium = await chromium.launch({ executablePath: "/usr/bin/chromium", args: QUIET });
    browser.troubles = [];
    return browser;
  }

  /** A window of someone's own. What its pages complain of, or ask of other sites, is a trouble. */
  async window() {
    const context = await this.chromium.newContext({ viewport: { width: 1200, height: 900 } });
    const page = await context.newPage();
    page.on("pageerror", (error) => this.troubles.push(String(error)));
    page.on("console", (message) => {
      const expected = message.text().startsWith("Failed to load resource");
      if (message.type() === "error" && !expected) this.troubles.push(message.text());
    });
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.protocol.startsWith("http") && url.origin !== this.site.url) this.troubles.push(`left the site: ${url}`);
    });
    return page;
  }

  async logIn(user) {
    const page = await this.window();
    await page.goto(`${this.site.url}/login`);
    await page.getByLabel("Name").fill(user);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.waitForURL((url) => url.pathname !== "/login");
    return page;
  }

  /** Keeps a picture of the view in both colour schemes, and fails where axe finds a violation. */
  async look(page, name) {
    for (const scheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.screenshot({ path: join(this.pictures, `${name}-${scheme}.png`), fullPage: true });
      await page.evaluate(AXE);
      const { violations } = await page.evaluate((values) => axe.run({ runOnly: { type: "tag", values } }), LEVELS);
      const told = violations.flatMap(({ id, help, nodes }) =>
        nodes.map((node) => `${id}: ${help}\n  ${node.html}\n  ${node.failureSummary}`),
      );
      assert.deepEqual(told, [], `${name}, ${scheme}`);
    }
    await page.emulateMedia({ colorScheme: null });
  }

  async end() {
    await this.chromium.close();
    assert.deepEqual(this.troubles, []);
  }
}
