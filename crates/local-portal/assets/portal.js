// @ts-check
// What makes the pages live. Everything works without this file: forms are sent as a whole, the home
// page loads itself anew, the checks have a page of their own.

/** @param {string} selector @param {ParentNode} [within] */
const find = (selector, within = document) =>
  /** @type {HTMLElement | null} */ (within.querySelector(selector));

/** The home page follows the gateway. @param {HTMLElement} live */
function follow(live) {
  const source = new EventSource(live.dataset.stream ?? "");
  source.addEventListener("home", (event) => {
    const scrolled = find(".scroll", live)?.scrollLeft ?? 0;
    live.innerHTML = event.data;
    live.classList.remove("lost");
    find(".scroll", live)?.scrollTo(scrolled, 0);
  });
  source.addEventListener("error", () => {
    live.classList.add("lost");
    live.dataset.note = live.dataset.lost;
    // A stream that was refused is not opened again by itself: the session has ended.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000);
  });
}

/** The checks are run when their place is shown. @param {HTMLElement} place */
async function load(place) {
  place.innerHTML = "";
  const busy = document.createElement("p");
  busy.className = "muted busy";
  busy.textContent = place.dataset.busy ?? "";
  place.append(busy);
  try {
    const answer = await fetch(place.dataset.load ?? "");
    if (answer.ok) place.innerHTML = await answer.text();
    else busy.textContent = String(answer.status);
  } catch (error) {
    busy.textContent = String(error);
  }
}

/** Every field is saved as it is left, one after the other. @param {HTMLFormElement} form */
function saveAsLeft(form) {
  const version = /** @type {HTMLInputElement} */ (form.elements.namedItem("version"));
  const status = find("[data-status]", form);
  const alert = find("[data-alert]", form);
  let queue = Promise.resolve();

  /** @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} field */
  async function save(field) {
    const flag = field instanceof HTMLInputElement && field.type === "checkbox";
    const value = flag ? (field.checked ? "yes" : "") : field.value;
    const hidden = field instanceof HTMLInputElement && field.type === "password";
    if (hidden && value === "") return;
    if (status) status.textContent = form.dataset.saving ?? "";
    const body = new URLSearchParams({ name: field.name, value, version: version.value });
    const place = field.closest("[data-field]");
    const error = place && find("[data-error]", place);
    try {
      const answer = await fetch(`/setup/${form.dataset.step}/field`, { method: "POST", body });
      const said = await answer.json();
      const refused = answer.status === 422;
      if (error) error.textContent = refused ? said.message : "";
      place?.classList.toggle("wrong", refused);
      if (refused) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
      if (status) status.textContent = answer.ok ? (form.dataset.saved ?? "") : "";
      if (answer.ok) {
        version.value = String(said.version);
        if (hidden) {
          field.value = "";
          field.placeholder = form.dataset.set ?? "";
        } else if (!flag && said.value) field.value = said.value;
      } else if (!refused && alert) {
        alert.textContent = said.message;
        alert.hidden = false;
      }
    } catch {
      if (status) status.textContent = form.dataset.failed ?? "";
    }
  }

  form.addEventListener("change", (event) => {
    const field = event.target;
    if (
      field instanceof HTMLInputElement ||
      field instanceof HTMLTextAreaElement ||
      field instanceof HTMLSelectElement
    ) {
      queue = queue.then(() => save(field));
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // What is being saved changes the version that the form is sent with.
    queue.then(() => form.submit());
  });
}

/** The list follows what is typed into its filter. @param {HTMLFormElement} form */
function filter(form) {
  let timer = 0;
  let asked = 0;
  async function ask() {
    const mine = ++asked;
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) query.set(name, String(value));
    const address = `${location.pathname}?${query}`;
    const answer = await fetch(address).catch(() => null);
    const text = answer?.ok ? await answer.text() : "";
    // What was asked for later may have come earlier.
    const list = new DOMParser().parseFromString(text, "text/html").querySelector("#list");
    if (!list || mine !== asked) return;
    const place = find("#list");
    if (place && place.innerHTML !== list.innerHTML) place.replaceWith(list);
    history.replaceState(null, "", address);
  }
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 120);
  });
  // What somebody reads, or has marked, stays where it is.
  const isRead = () => find("#list details[open], #list :focus") || document.getSelection()?.type === "Range";
  const every = Number(form.dataset.again);
  if (every) setInterval(() => !document.hidden && !isRead() && ask(), 1000 * every);
}

const live = find("#live");
if (live) follow(live);
const step = find("form[data-step]");
if (step instanceof HTMLFormElement) saveAsLeft(step);
const list = find("form[data-filter]");
if (list instanceof HTMLFormElement) filter(list);
for (const place of document.querySelectorAll("[data-load]")) {
  if (!(place instanceof HTMLElement)) continue;
  load(place);
  const again = find("[data-reload]", place.parentElement ?? document);
  if (again) {
    again.hidden = false;
    again.addEventListener("click", () => load(place));
  }
}
// In a narrow window the steps are a line that scrolls: the one that is open is to be seen.
const here = find(".steps [aria-current]");
const line = here?.closest("ol");
if (here && line) {
  const [of, within] = [here, line].map((it) => it.getBoundingClientRect());
  line.scrollLeft += of.left - within.left - (within.width - of.width) / 2;
}
const wrong = find("[aria-invalid=true]");
if (wrong) wrong.focus();
const countdown = find("[data-countdown]");
if (countdown) {
  const end = Date.now() + 1000 * Number(countdown.dataset.countdown);
  setInterval(() => {
    const left = Math.ceil((end - Date.now()) / 1000);
    countdown.textContent = `${Math.max(left, 0)} s`;
    // The address may be gone with it; the browser says so then.
    if (left === -2) location.assign("/network");
  }, 1000);
}
