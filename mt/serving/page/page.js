// The page of `mt serve`: what is typed is translated. Text is only ever written as text, never as HTML.

import * as words from "./words.js";

const CHINESE = {
  about: "你自己的翻译模型。输入的内容不会离开这台服务器。", from: "原文", to: "译文", clear: "清空", copy: "复制", save: "保存",
  type: "输入或粘贴文本，也可以拖入文件", open: "翻译文件", others: "其他译法", unsure: "波浪线", legend: "：模型不确定",
  key: "此服务器需要密钥：", copied: "已复制", unreachable: "无法连接服务器。", comes: "来自", instead: "也可以是",
  unknown: "没有明显对应的原文词语。", quality: "估计质量", of100: "（满分 100）", busy: "正在翻译文件", ready: "译文已下载",
};
const ENGLISH = { type: "Type or paste text, or drop a file", copied: "Copied", unreachable: "The server cannot be reached." };
const isChinese = navigator.language.toLowerCase().startsWith("zh");
const say = (name, fallback = "") => (isChinese ? CHINESE[name] : ENGLISH[name]) ?? fallback;

const TYPING_PAUSE = 250;  // milliseconds
const UNSURE = Math.log(0.5);  // probability of a piece below which it is marked
const SEVERAL = /\n|[.!?。！？।۔።]["'”’»)\]」』]*\s*\S/;  // sentences, which are translated one by one, without alternatives
const $ = (id) => document.getElementById(id);
const [source, target, from, to] = ["source", "target", "source-lang", "target-lang"].map($);
let languages = [], settings = {}, limit = Infinity, timer = 0, current = null, translated = "";

function inThisLanguage() {
  document.documentElement.lang = isChinese ? "zh" : "en";
  for (const element of document.querySelectorAll("[data-text]"))
    element.textContent = say(element.dataset.text, element.textContent);
  source.placeholder = say("type");
}

function languageName(code, name) {
  try {
    return new Intl.DisplayNames([navigator.language], { type: "language" }).of(code) ?? name;
  } catch {
    return name;
  }
}

function fill(select, options) {
  const kept = select.value;
  select.replaceChildren(...options.map(({ code, name }) => new Option(languageName(code, name), code)));
  if (options.some(({ code }) => code === kept)) select.value = kept;
}

function fillTargets() {
  const codes = languages.find(({ code }) => code === from.value)?.targets ?? [];
  const names = Object.fromEntries(languages.map(({ code, name }) => [code, name]));
  fill(to, codes.map((code) => ({ code, name: names[code] ?? code })));
}

async function ask(path, body, signal) {
  const headers = $("key").value ? { Authorization: `Bearer ${$("key").value}` } : {};
  const isForm = body instanceof FormData;
  if (body && !isForm) headers["Content-Type"] = "application/json";
  const options = body ? { method: "POST", headers, body: isForm ? body : JSON.stringify(body), signal } : { headers };
  const response = await fetch(path, options);
  const answer = await response.json().catch(() => ({}));  // a proxy may answer something else
  if (!response.ok) throw new Error(answer.error ?? response.statusText);
  return answer;
}

function show(results) {
  target.replaceChildren();
  const { lines } = results[0];
  lines.forEach(([best], number) => {
    if (number) target.append("\n");
    let end = 0;
    for (const { text, unsure } of parts(best)) {
      const start = end;
      end += text.length;
      if (!text.trim()) { target.append(text); continue; }
      const word = document.createElement("span");
      word.textContent = text;
      word.setAttribute("role", "button");
      word.tabIndex = target.querySelector("[role=button]") ? -1 : 0;
      Object.assign(word.dataset, { line: number, start, end });
      if (unsure) word.className = "unsure";
      target.append(word);
    }
  });
  $("legend").hidden = !target.querySelector(".unsure");
  const qualities = lines.map(([best]) => best.quality).filter((quality) => quality != null);
  $("quality").hidden = !qualities.length;
  if (qualities.length) {
    const lowest = Math.round(Math.min(...qualities));
    $("quality").textContent = `${say("quality", "Estimated quality")}: ${lowest}${say("of100", " of 100")}`;
  }
  const others = lines.length === 1 ? lines[0].slice(1).map(({ text }) => text).filter((text) => text !== lines[0][0].text) : [];
  $("alternatives").replaceChildren(...[...new Set(others)].map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
  $("others").hidden = !others.length;
}

// The words of a translation, with whether the model was sure of all their pieces. Pieces do not spell the text where
// capitals, quotation marks or the like of the source were restored; then nothing is marked.
function parts({ text, pieces, log_probs }) {
  const words = [];
  pieces.forEach((piece, index) => {
    if (piece === "</s>") return;
    const spelled = piece.replaceAll("▁", " ");
    if (spelled.startsWith(" ") && words.length) words.push({ text: " ", unsure: false });
    if (spelled.startsWith(" ") || !words.length) words.push({ text: "", unsure: false });
    const word = words.at(-1);
    word.text += spelled.trimStart();
    word.unsure ||= log_probs[index] < UNSURE;
  });
  if (words.map((word) => word.text).join("") === text) return words;
  return text.split(/(\s+)/).filter(Boolean).map((part) => ({ text: part, unsure: false }));
}

async function translate() {
  const text = source.value;
  for (const id of ["clear", "copy", "save"]) $(id).hidden = !text;
  $("count").textContent = text ? `${[...text].length.toLocaleString()} / ${limit.toLocaleString()}` : "";
  current?.abort();
  words.changed(null);
  if (!text.trim()) {
    target.replaceChildren();
    $("others").hidden = $("legend").hidden = $("quality").hidden = $("error").hidden = true;
    return;
  }
  current = new AbortController();
  target.classList.add("waiting");
  try {
    const single = !SEVERAL.test(text.trim());
    const quality = settings.calibrated.some((pair) => pair.source === from.value && pair.target === to.value);
    const asked = { texts: [text], source: from.value, target: to.value, n_best: single ? 4 : 1, quality };
    const answer = await ask("v1/translate", asked, current.signal);
    show(answer.results);
    translated = target.textContent;
    words.changed({ text, lines: translated.split("\n"), from: from.value, to: to.value, single });
    $("error").hidden = true;
    target.classList.remove("waiting");
  } catch (error) {
    if (error.name === "AbortError") return;
    complain(error);
    target.classList.remove("waiting");
  }
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(translate, TYPING_PAUSE);
}

// Text is shown; other files, and long text, are translated on the server and come back as files.
async function read(file) {
  if (!file) return;
  if (file.name.toLowerCase().endsWith(".txt") && file.size <= limit) {
    source.value = await file.text();
    translate();
    return;
  }
  const fields = new FormData();
  for (const [name, value] of Object.entries({ file, source: from.value, target: to.value })) fields.append(name, value);
  $("state").textContent = `${say("busy", "Translating")}: ${file.name}`;
  try {
    const { translatedFileUrl } = await ask("translate_file", fields);
    const response = await fetch(`download_file/${translatedFileUrl.split("/").at(-1)}`);
    const name = decodeURIComponent(response.headers.get("Content-Disposition").split("''")[1]);
    download(await response.blob(), name);
    $("state").textContent = `${say("ready", "Translated")}: ${name}`;
    $("error").hidden = true;
  } catch (error) {
    $("state").textContent = "";
    complain(error);
  }
}

function download(content, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

function complain(error) {
  $("error").textContent = error instanceof TypeError ? say("unreachable") : error.message;
  $("error").hidden = false;
}

// Another translation of the one sentence that is shown.
function replaceLine(text) {
  show([{ lines: [[{ text, pieces: [], log_probs: [] }]] }]);
  translated = text;
  words.changed({ text: source.value, lines: [text], from: from.value, to: to.value, single: true });
}

async function start() {
  inThisLanguage();
  settings = await ask("frontend/settings");
  $("file").accept = settings.supportedFilesFormat.join(",");
  words.start({ ask, say, replaceLine });
  languages = await ask("languages");
  limit = settings.charLimit;
  $("key-form").hidden = !settings.keyRequired;
  fill(from, languages);
  fillTargets();
  source.addEventListener("input", soon);
  $("key").addEventListener("input", soon);
  from.addEventListener("change", () => { fillTargets(); translate(); });
  to.addEventListener("change", translate);
  $("clear").addEventListener("click", () => { source.value = ""; source.focus(); translate(); });
  $("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText(translated);
    $("copy").textContent = say("copied", "Copied");
    setTimeout(() => { $("copy").textContent = say("copy", "Copy"); }, 2000);
  });
  const blob = () => new Blob([translated + "\n"], { type: "text/plain" });
  $("save").addEventListener("click", () => download(blob(), `translation.${to.value}.txt`));
  const readChosen = async () => {
    await read($("file").files[0]);
    $("file").value = "";  // so that the same file can be chosen again
  };
  $("file").addEventListener("change", readChosen);
  document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
  document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    document.body.classList.remove("dropping");
    if (!event.dataTransfer.files.length) return;  // text that is dragged into the box
    event.preventDefault();
    read(event.dataTransfer.files[0]);
  });
  if (source.value) translate();  // what was typed or chosen before the page was ready
  readChosen();
}

start();
