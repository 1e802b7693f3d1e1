// What a click on a word shows: the words of the other side that it belongs to, and what could stand in its place.

const $ = (id) => document.getElementById(id);
const [source, target, mirror, panel] = ["source", "target", "mirror", "word"].map($);
let page = null;      // how the page asks and speaks: { ask, say, replaceLine }
let shown = null;     // the translation that is shown: { text, lines, from, to }
let links = null;     // its alignment, as a promise

export function start(given) {
  page = given;
  target.addEventListener("click", ({ target: word }) => word.dataset.start && open(word));
  target.addEventListener("keydown", onKey);
  document.addEventListener("keydown", ({ key }) => key === "Escape" && !panel.hidden && close(true));
  source.addEventListener("click", showFromSource);
  source.addEventListener("scroll", () => { mirror.scrollTop = source.scrollTop; });
  document.addEventListener("click", ({ target: where }) => {
    if (!panel.hidden && !panel.contains(where) && !target.contains(where)) close();
  });
}

// Called with every new translation, or with null when there is none.
export function changed(translation) {
  shown = translation;
  links = null;
  close();
}

function close(refocus = false) {
  if (refocus) target.querySelector(".chosen")?.focus();
  panel.hidden = true;
  markSource([]);
  for (const word of target.querySelectorAll(".chosen, .linked")) word.classList.remove("chosen", "linked");
}

function onKey(event) {
  const word = event.target;
  if (!word.dataset.start) return;
  const next = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (next) {
    const words = [...target.querySelectorAll("[data-start]")];
    const other = words[words.indexOf(word) + next];
    if (other) { word.tabIndex = -1; other.tabIndex = 0; other.focus(); }
  } else if (event.key === "Enter" || event.key === " ") open(word);
  else return;
  event.preventDefault();
}

// The words of a side with their places in its line, as the server divides it.
function places(line, words) {
  let end = 0;
  return words.map((word) => {
    const start = line.indexOf(word, end);
    if (start < 0) return [end, end];
    end = start + word.length;
    return [start, end];
  });
}

function alignment() {
  links ??= page.ask("v1/translate", { texts: [shown.text], source: shown.from, target: shown.to, align: true })
    .then(({ results }) => results[0].lines.map(([best], number) => {
      if (best.text !== shown.lines[number]) return { pairs: [], from: [], to: [] };  // capitals and the like were simplified
      const line = shown.text.split("\n")[number];
      return { pairs: best.alignment ?? [], from: places(line, best.source_words ?? []), to: places(best.text, best.target_words ?? []) };
    }));
  return links;
}

const touches = ([start, end], [first, last]) => start < last && first < end;

async function open(word) {
  close();
  word.classList.add("chosen");
  const [line, start, end] = ["line", "start", "end"].map((name) => Number(word.dataset[name]));
  const now = shown;
  const origin = await alignment().then((found) => {
    const { pairs, from, to } = found[line];
    return pairs.filter(([, at]) => to[at] && touches(to[at], [start, end])).map(([at]) => from[at]).filter(Boolean);
  }).catch(() => []);
  if (shown !== now || !word.classList.contains("chosen")) return;
  const before = now.text.split("\n").slice(0, line).join("\n").length + (line ? 1 : 0);
  markSource(origin.map(([first, last]) => [before + first, before + last]));
  const words = origin.map(([first, last]) => now.text.split("\n")[line].slice(first, last)).join(" ");
  panel.replaceChildren(element("p", words ? `${page.say("comes", "Comes from")}: ${words}` : page.say("unknown", "No word of the source stands out.")));
  place(word);
  if (now.single) await offer(now, line, start, word);
}

function place(word) {
  panel.hidden = false;
  const box = target.parentElement.getBoundingClientRect(), at = word.getBoundingClientRect();
  panel.style.top = `${at.bottom - box.top + 6}px`;
  panel.style.left = `${Math.max(8, Math.min(at.left - box.left, box.width - panel.offsetWidth - 8))}px`;
}

// Other translations that begin with the same text and go on in another way.
async function offer(now, line, start, word) {
  const text = now.lines[line], prefix = text.slice(0, start).trimEnd();
  const asked = { texts: [now.text], source: now.from, target: now.to, prefix, n_best: 8, diverse: true };
  const { results } = await page.ask("v1/translate", asked).catch(() => ({ results: [] }));
  if (shown !== now || !results.length || panel.hidden) return;
  const list = document.createElement("ul");
  const known = new Set([word.textContent]);
  for (const { text: other } of results[0].lines[0]) {
    if (!other.startsWith(prefix)) continue;
    const next = other.slice(prefix.length).trimStart().split(/\s/)[0];
    if (!next || known.has(next)) continue;
    known.add(next);
    const button = element("button", next);
    button.type = "button";
    button.title = other;
    button.addEventListener("click", () => page.replaceLine(other));
    list.append(document.createElement("li"));
    list.lastChild.append(button);
  }
  if (!list.children.length) return;
  panel.append(element("p", `${page.say("instead", "Instead")}:`), list);
  place(word);
}

async function showFromSource() {
  if (!shown || source.value !== shown.text || source.selectionStart !== source.selectionEnd) return;
  const now = shown, caret = source.selectionStart;
  const before = now.text.slice(0, caret), line = before.split("\n").length - 1;
  const column = caret - (before.lastIndexOf("\n") + 1);
  close();
  const found = await alignment().catch(() => null);
  if (!found || shown !== now) return;
  const { pairs, from, to } = found[line];
  const at = from.findIndex(([start, end]) => start <= column && column <= end && start < end);
  if (at < 0) return;
  markSource([from[at].map((place) => place + caret - column)]);
  for (const [, number] of pairs.filter(([number]) => number === at))
    for (const word of target.querySelectorAll(`[data-line="${line}"]`))
      if (touches([Number(word.dataset.start), Number(word.dataset.end)], to[number])) word.classList.add("linked");
}

// Marks behind the text that is typed: the mirror has the same text in the same place, and is invisible but for them.
function markSource(spans) {
  mirror.replaceChildren();
  if (!spans.length) return;
  let end = 0;
  for (const [first, last] of [...spans].sort((one, other) => one[0] - other[0])) {
    if (first < end) continue;
    mirror.append(shown.text.slice(end, first), element("mark", shown.text.slice(first, last)));
    end = last;
  }
  mirror.append(shown.text.slice(end));
  mirror.scrollTop = source.scrollTop;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
