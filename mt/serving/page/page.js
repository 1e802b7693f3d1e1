// The page of `mt serve`: what is typed is translated. Text is only ever written as text, never as HTML.

const CHINESE = {
  about: "你自己的翻译模型。输入的内容不会离开这台服务器。", from: "原文", to: "译文", clear: "清空", copy: "复制", save: "保存",
  type: "输入或粘贴文本，也可以拖入文本文件", open: "打开文本文件", others: "其他译法", unsure: "波浪线", legend: "：模型不确定",
  key: "此服务器需要密钥：", copied: "已复制", unreachable: "无法连接服务器。",
};
const ENGLISH = { type: "Type or paste text, or drop a text file", copied: "Copied", unreachable: "The server cannot be reached." };
const isChinese = navigator.language.toLowerCase().startsWith("zh");
const say = (name, fallback = "") => (isChinese ? CHINESE[name] : ENGLISH[name]) ?? fallback;

const TYPING_PAUSE = 250;  // milliseconds
const UNSURE = Math.log(0.5);  // probability of a piece below which it is marked
const SEVERAL = /\n|[.!?。！？।۔።]["'”’»)\]」』]*\s*\S/;  // sentences, which are translated one by one, without alternatives
const $ = (id) => document.getElementById(id);
const [source, target, from, to] = ["source", "target", "source-lang", "target-lang"].map($);
let languages = [], limit = Infinity, timer = 0, current = null, translated = "";

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

async function ask(path, body) {
  const headers = { "Content-Type": "application/json" };
  if ($("key").value) headers.Authorization = `Bearer ${$("key").value}`;
  current?.abort();
  current = new AbortController();
  const options = body ? { method: "POST", headers, body: JSON.stringify(body), signal: current.signal } : { headers };
  const response = await fetch(path, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error ?? response.statusText);
  return answer;
}

function show(results) {
  target.replaceChildren();
  const { lines } = results[0];
  let marked = false;
  lines.forEach(([best], number) => {
    if (number) target.append("\n");
    for (const { text, unsure } of parts(best)) {
      const span = document.createElement("span");
      span.textContent = text;
      if (unsure) span.className = "unsure";
      marked ||= unsure;
      target.append(span);
    }
  });
  $("legend").hidden = !marked;
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
  return words.map((word) => word.text).join("") === text ? words : [{ text, unsure: false }];
}

async function translate() {
  const text = source.value;
  for (const id of ["clear", "copy", "save"]) $(id).hidden = !text;
  $("count").textContent = text ? `${[...text].length.toLocaleString()} / ${limit.toLocaleString()}` : "";
  if (!text.trim()) {
    current?.abort();
    target.replaceChildren();
    $("others").hidden = $("legend").hidden = $("error").hidden = true;
    return;
  }
  target.classList.add("waiting");
  try {
    const single = !SEVERAL.test(text.trim());
    const answer = await ask("v1/translate", { texts: [text], source: from.value, target: to.value, n_best: single ? 4 : 1 });
    show(answer.results);
    translated = target.textContent;
    $("error").hidden = true;
    target.classList.remove("waiting");
  } catch (error) {
    if (error.name === "AbortError") return;
    $("error").textContent = error instanceof TypeError ? say("unreachable") : error.message;
    $("error").hidden = false;
    target.classList.remove("waiting");
  }
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(translate, TYPING_PAUSE);
}

async function read(file) {
  if (!file) return;
  source.value = (await file.text()).slice(0, limit);
  translate();
}

async function start() {
  inThisLanguage();
  const settings = await ask("frontend/settings");
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
  });
  $("save").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([translated + "\n"], { type: "text/plain" }));
    link.download = `translation.${to.value}.txt`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
  $("file").addEventListener("change", (event) => read(event.target.files[0]));
  document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
  document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    read(event.dataTransfer.files[0]);
  });
  if (source.value) translate();
}

start();
