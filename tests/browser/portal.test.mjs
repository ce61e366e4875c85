// What an installer does, from the claim to a live call, in Debian's Chromium against the programs as
// they are; and what everybody may rely on: three languages, both themes, 320 and 1280 px, the keyboard
// alone, no scripts, and nothing that axe-core finds fault with.
//
// SCREENSHOTS=folder keeps a picture of every page.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { PATIENCE, Site, sizeOf, until } from "./site.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const CHROMIUM = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser"].find(
  (path) => path && existsSync(path),
);
const PICTURES = process.env.SCREENSHOTS;
const PASSWORD = "staple horse battery";
const STEPS = ["customer", "gateway", "pbx", "connect", "deployment", "advanced", "overview"];
const PAGES = [
  "/",
  "/events",
  "/log",
  "/charts",
  "/downloads",
  "/users",
  "/users/new",
  "/users/import",
  "/tokens",
  "/network",
  "/account",
  "/accounts",
  "/audit",
  "/certificate",
  "/pbx-side",
  ...STEPS.map((step) => `/setup/${step}`),
];
const HOME = { en: "Home", de: "Start", sv: "Start" };

let site;
let browser;
let claimed = false;

before(async () => {
  assert.ok(CHROMIUM, "Chromium is missing: apt-get install chromium");
  if (PICTURES) mkdirSync(PICTURES, { recursive: true });
  site = await Site.start();
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
});

after(async () => {
  await browser?.close();
  await site?.end();
});

/** A page of a browser of its own; what goes wrong in it fails the test. */
async function open(options = {}) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    baseURL: site.base,
    viewport: { width: 1280, height: 860 },
    ...options,
  });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(error.message));
  page.on("console", (said) => {
    if (said.type() === "error" && !/status of 422/.test(said.text())) page.faults.push(said.text());
  });
  return page;
}

async function close(page) {
  assert.deepEqual(page.faults, []);
  await page.context().close();
}

async function signIn(page) {
  assert.ok(claimed, "the box was not claimed");
  await page.goto("/sign-in");
  await page.fill("#name", "admin");
  await page.fill("#password", PASSWORD);
  await page.click("button.primary");
  await page.waitForURL((url) => url.pathname !== "/sign-in");
}

/** The page has come to rest: checks are there, moving parts stand still. */
async function settled(page) {
  if (await page.locator("[data-load]").count()) await page.waitForSelector(".checklist");
}

async function picture(page, name) {
  if (PICTURES) await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
}

/** Nothing sticks out at the side, and axe-core finds nothing. */
async function isSound(page, what) {
  const [wide, screen] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    window.innerWidth,
  ]);
  assert.ok(wide <= screen, `${what} is ${wide} px wide on a screen of ${screen}`);
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run());
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
  assert.deepEqual(found, [], what);
}

/** As wide as a telephone and as a desktop, light and dark. */
async function isSoundEverywhere(page, name) {
  for (const width of [1280, 320]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize({ width, height: 860 });
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await isSound(page, `${name}, ${width} px, ${colorScheme}`);
      if (width === 1280 || colorScheme === "light") {
        await picture(page, `${name}-${width === 1280 ? colorScheme : "phone"}`);
      }
    }
  }
  await page.setViewportSize({ width: 1280, height: 860 });
  await page.emulateMedia({ colorScheme: "light", reducedMotion: null });
}

const focused = (page) => page.evaluate(() => document.activeElement?.id ?? "");

test("a box is claimed with its setup code, by the keyboard alone", async () => {
  const page = await open();
  for (const path of ["/", "/setup/pbx", "/accounts", "/sign-in"]) {
    await page.goto(path);
    assert.equal(new URL(page.url()).pathname, "/claim", `${path} leads to the claim`);
  }
  await isSoundEverywhere(page, "claim");
  const type = async (id, text) => {
    for (let tab = 0; (await focused(page)) !== id; tab += 1) {
      assert.ok(tab < 30, `${id} is not reached by Tab`);
      await page.keyboard.press("Tab");
    }
    await page.keyboard.press("Control+A");
    await page.keyboard.type(text);
  };
  await type("code", "AAAA-AAAA-AAAA");
  await type("name", "admin");
  await type("password", PASSWORD);
  await type("again", PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForSelector("[role=alert]");
  assert.equal(await focused(page), "code", "a wrong code has the focus");
  assert.equal(await page.inputValue("#name"), "admin", "what was typed is kept");
  await isSound(page, "claim with a wrong code");
  await type("code", site.setupCode());
  await type("password", PASSWORD);
  await type("again", PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/setup/customer");
  claimed = true;
  page.faults = page.faults.filter((fault) => !/status of 4\d\d/.test(fault));
  await close(page);
});

test("each field is saved as it is left, and a wrong one says what is allowed", async () => {
  const page = await open();
  await signIn(page);
  await page.goto("/setup/customer");
  await settled(page);
  await page.fill("#customer-name", "Nordic Telephony AB");
  await page.keyboard.press("Tab");
  await page.waitForFunction(() => document.querySelector("[data-status]")?.textContent === "Saved");
  await page.reload();
  assert.equal(await page.inputValue("#customer-name"), "Nordic Telephony AB");
  await page.click(".actions .primary");
  await page.waitForURL("**/setup/gateway");

  await page.goto("/setup/pbx");
  await settled(page);
  await page.selectOption("#pbx-type", "mx-one");
  await page.fill("#pbx-address", "10.0.0:x");
  await page.keyboard.press("Tab");
  await page.waitForSelector(".field.wrong");
  assert.match(await page.textContent("#pbx-address-error"), /pbx\.example\.com:8882/);
  await isSoundEverywhere(page, "setup-pbx-wrong");
  await page.click(".actions .primary");
  await page.waitForSelector("#pbx-address[aria-invalid=true]");
  assert.equal(await page.inputValue("#pbx-address"), "10.0.0:x", "what was typed is kept");
  assert.equal(await focused(page), "pbx-address");
  await page.fill("#pbx-address", site.csta);
  await page.keyboard.press("Tab");
  await page.waitForSelector(".field.wrong", { state: "detached" });
  await close(page);
});

test("two administrators do not overwrite each other", async () => {
  const [one, two] = [await open(), await open()];
  for (const page of [one, two]) {
    await signIn(page);
    await page.goto("/setup/customer");
  }
  await one.fill("#customer-town", "Uppsala");
  await one.keyboard.press("Tab");
  await one.waitForFunction(() => document.querySelector("[data-status]")?.textContent === "Saved");
  await two.fill("#customer-town", "Lund");
  await two.keyboard.press("Tab");
  await two.waitForSelector("[data-alert]:not([hidden])");
  await two.reload();
  assert.equal(await two.inputValue("#customer-town"), "Uppsala");
  two.faults = two.faults.filter((fault) => !/status of 409/.test(fault));
  await close(one);
  await close(two);
});

test("the whole set-up works without a script, and survives a restart in its middle", async () => {
  const page = await open({ javaScriptEnabled: false });
  await signIn(page);
  for (const [index, step] of STEPS.slice(0, -1).entries()) {
    if (step === "connect") {
      await site.stop("gateway");
      await site.startGateway();
      await signIn(page);
    }
    await page.goto(`/setup/${step}`);
    if (step === "customer") await page.fill("#customer-town", "Malmö");
    if (step === "pbx") await page.selectOption("#pbx-type", "mx-one");
    await page.click(".actions .primary");
    await page.waitForURL(`**/setup/${STEPS[index + 1]}`);
  }
  await page.goto("/setup/customer");
  assert.equal(await page.inputValue("#customer-town"), "Malmö", "saved before the restart");
  await page.goto("/checks");
  assert.ok((await page.locator(".checklist li").count()) > 5, "the checks have a page of their own");
  await page.goto("/setup/overview");
  await page.click('form[action="/apply"] .primary');
  await page.waitForSelector(".notice.good");
  await page.context().close();
});

test("a live call is on the home page, and a PBX that goes is told in words", async () => {
  const page = await open();
  await signIn(page);
  await page.goto("/");
  await page.waitForSelector(".headline.ok").catch(async () => {
    assert.fail(`the home page says: ${await page.textContent(".headline")}`);
  });
  site.pbx("call", "2001", "2002");
  const row = page.locator(".calls tbody tr", { hasText: "2002" }).first();
  await row.waitFor();
  site.pbx("answer", "2002");
  await page.locator(".calls .tag.connected").first().waitFor();
  await isSoundEverywhere(page, "home-call");
  site.pbx("clear", "2001");
  await page.locator(".calls .empty").waitFor();

  await page.goto("/events");
  await page.fill("#find", "call.established");
  await page.waitForURL("**/events?find=call.established");
  const told = page.locator(".feed details").first();
  await told.locator("summary").click();
  assert.match(await told.locator("pre").nth(0).textContent(), /ringway\.call\.established\.v1/);
  assert.match(await told.locator("pre").nth(1).textContent(), /<EstablishedEvent/);
  await isSoundEverywhere(page, "events-open");
  await page.goto("/log?find=PBX+link+up");
  await page.locator(".lines li").first().waitFor();
  await page.goto("/downloads");
  const saved = page.waitForEvent("download");
  await page.click(".files .primary");
  const bundle = readFileSync(await (await saved).path());
  for (const name of ["health.json", "log.txt", "events.jsonl", "csta.jsonl", "ringway.toml"]) {
    assert.ok(bundle.includes(`ringway-support/${name}`), `${name} is in the support bundle`);
  }
  await page.goto("/");

  const address = site.csta;
  await site.stop("pbx");
  await page.locator(".headline:not(.ok)").waitFor();
  await isSoundEverywhere(page, "home-pbx-away");
  await site.startPbx(address);
  await page.locator(".headline.ok").waitFor();
  await close(page);
});

test("every page is sound in three languages, two themes and two widths", async () => {
  const page = await open();
  await signIn(page);
  for (const language of ["en", "de", "sv"]) {
    await page.goto("/");
    await page.click(`button[name=language][value=${language}]`);
    await page.waitForFunction((code) => document.documentElement.lang === code, language);
    assert.match(await page.title(), new RegExp(HOME[language]));
    for (const path of PAGES) {
      await page.goto(path);
      await settled(page);
      const name = path === "/" ? "home" : path.slice(1).replaceAll("/", "-");
      if (language === "en") await isSoundEverywhere(page, name);
      else await isSound(page, `${path} in ${language}`);
    }
  }
  await page.click("button[name=language][value=en]");
  for (const theme of ["dark", "light"]) {
    await page.click(`button[name=theme][value=${theme}]`);
    await page.waitForFunction((wanted) => document.documentElement.dataset.theme === wanted, theme);
    await settled(page);
    await isSound(page, `the theme ${theme}, chosen`);
  }
  await close(page);
});

test("in a narrow window the step that is open is seen", async () => {
  const page = await open({ viewport: { width: 320, height: 640 } });
  await signIn(page);
  for (const step of STEPS) {
    await page.goto(`/setup/${step}`);
    await settled(page);
    const { x, width } = await page.locator(".steps [aria-current]").boundingBox();
    assert.ok(x >= 0 && x + width <= 320, `${step}: from ${x}, ${width} wide`);
  }
  await close(page);
});

test("every stop of the keyboard can be seen, and the main part is one key away", async () => {
  const page = await open();
  await signIn(page);
  for (const path of PAGES) {
    await page.goto(path);
    await settled(page);
    await page.evaluate(() => document.activeElement?.blur());
    const stops = await page.locator("a[href], button, input:not([type=hidden]), select, textarea").count();
    for (let stop = 0; stop < stops + 3; stop += 1) {
      await page.keyboard.press("Tab");
      const [tag, seen] = await page.evaluate(() => {
        const at = document.activeElement;
        const style = getComputedStyle(at);
        const ringed = style.outlineStyle !== "none" || style.boxShadow !== "none";
        return [at.tagName === "BODY" ? "BODY" : at.outerHTML.slice(0, 80), ringed];
      });
      assert.ok(tag === "BODY" || seen, `${path}: the focus on ${tag} cannot be seen`);
    }
  }
  await page.goto("/audit");
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await focused(page), "main");
  await close(page);
});

test("the first page is painted within 300 ms, and brings 40 KB of style and script at most", async () => {
  const page = await open();
  await signIn(page);
  const paints = [];
  for (let round = 0; round < 5; round += 1) {
    await page.goto("/setup/customer");
    const paint = await until("a first paint", () =>
      page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime),
    );
    paints.push(paint);
  }
  paints.sort((a, b) => a - b);
  const assets = await page.evaluate(() =>
    [...document.querySelectorAll("link[rel=stylesheet], script[src]")].map((it) => it.href ?? it.src),
  );
  const sizes = await Promise.all(assets.map((url) => sizeOf(url)));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  console.log(`first paint, median of 5: ${paints[2].toFixed(0)} ms (goal 300); style and script: ${bytes} bytes`);
  assert.ok(bytes <= 40 * 1024, `${bytes} bytes of style and script`);
  await close(page);
});

test("who signs out is out", async () => {
  const page = await open();
  await signIn(page);
  await page.goto("/");
  await page.click(".me button");
  await page.waitForURL("**/sign-in");
  await settled(page);
  await isSoundEverywhere(page, "sign-in");
  await page.goto("/accounts");
  assert.equal(new URL(page.url()).pathname, "/sign-in");
  await close(page);
});
