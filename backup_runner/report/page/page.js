"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const count = data.ends.length;
  const paths = new Array(count);
  let before = "";
  for (let i = 0; i < count; i++) paths[i] = before = before.slice(0, data.shared[i]) + data.ends[i];

  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  const size = (number) => {
    let value = number, at = 0;
    while (value >= 999.5 && at < units.length - 1) { value /= 1024; at++; }
    return (at && value < 9.95 ? value.toFixed(1) : value.toFixed(0)) + " " + units[at];
  };

  // What is searched in: made once, when somebody first types.
  let haystack = null;
  const lower = () => haystack ??= paths.map((path) => path.toLowerCase());
  const shown = new Set(data.kinds.keys());
  const orders = {
    path: () => Uint32Array.from(paths.keys()),
    size: () => orders.path().sort((a, b) => data.sizes[b] - data.sizes[a] || a - b),
    kind: () => orders.path().sort((a, b) => data.kind[a] - data.kind[b] || a - b),
  };
  const sorted = {};
  let found = new Uint32Array(0);

  const find = $("find"), sort = $("sort"), pane = $("window"), space = $("space"), rows = $("rows");
  const narrow = matchMedia("(max-width: 40rem)");
  let height = 34, first = -1, last = -1, picked = -1;

  const filter = () => {
    const order = sorted[sort.value] ??= orders[sort.value]();
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const whys = words.map((word) => data.whys.map((why) => why.toLowerCase().includes(word)));
    const inside = words.length ? lower() : null;
    const kept = new Uint32Array(count);
    let at = 0;
    next: for (let i = 0; i < count; i++) {
      const row = order[i];
      if (!shown.has(data.kind[row])) continue;
      for (let w = 0; w < words.length; w++) {
        if (!inside[row].includes(words[w]) && !whys[w][data.why[row]]) continue next;
      }
      kept[at++] = row;
    }
    found = kept.subarray(0, at);
    let bytes = 0;
    for (let i = 0; i < at; i++) bytes += data.sizes[found[i]];
    $("count").textContent = (at === count ? "" : at.toLocaleString("en") + " of ")
      + count.toLocaleString("en") + ", " + size(bytes);
    $("table").setAttribute("aria-rowcount", at + 1);
    pane.scrollTop = 0;
    layout();
  };

  const cell = (text, kind) => {
    const made = document.createElement("span");
    made.setAttribute("role", "cell");
    if (kind) made.className = kind;
    made.append(...[].concat(text));
    return made;
  };

  const line = (at) => {
    const row = found[at], [name, sign, tone] = data.kinds[data.kind[row]], path = paths[row];
    const made = document.createElement("div");
    made.className = row === picked ? "row picked" : "row";
    made.setAttribute("role", "row");
    made.setAttribute("aria-rowindex", at + 2);
    made.dataset.row = row;
    const cut = path.lastIndexOf("/", path.length - 2) + 1;
    const folder = document.createElement("i");
    folder.textContent = path.slice(0, cut);
    const leaf = document.createElement("b");
    leaf.textContent = path.slice(cut);
    const where = cell([folder, leaf], "path");
    where.title = path;
    made.append(cell(sign + " " + name, tone), where, cell(path.endsWith("/") ? "" : size(data.sizes[row])), cell(data.whys[data.why[row]], "why"));
    return made;
  };

  const draw = () => {
    const from = Math.max(0, Math.floor(pane.scrollTop / height) - 8);
    const to = Math.min(found.length, Math.ceil((pane.scrollTop + pane.clientHeight) / height) + 8);
    if (from === first && to === last) return;
    first = from;
    last = to;
    const made = document.createDocumentFragment();
    for (let at = from; at < to; at++) made.append(line(at));
    if (!found.length) {
      const none = document.createElement("div");
      none.className = "row";
      none.setAttribute("role", "row");
      none.append(cell(""), cell(count ? "Nothing matches" : "Nothing in this list"));
      made.append(none);
    }
    rows.replaceChildren(made);
    rows.style.transform = "translateY(" + from * height + "px)";
  };

  const layout = () => {
    height = narrow.matches ? 54 : 34;
    space.style.height = Math.max(1, found.length) * height + "px";
    pane.style.height = found.length * height < 420 ? Math.max(2, found.length) * height + "px" : "";
    first = last = -1;
    draw();
  };

  data.kinds.forEach(([name, sign, tone], at) => {
    const number = data.kind.reduce((sum, kind) => sum + (kind === at), 0);
    if (!number) return;
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = tone;
    chip.setAttribute("aria-pressed", "true");
    chip.textContent = sign + " " + name + " " + number.toLocaleString("en");
    chip.addEventListener("click", () => {
      if (!shown.delete(at)) shown.add(at);
      chip.setAttribute("aria-pressed", String(shown.has(at)));
      filter();
    });
    $("chips").append(chip);
  });

  for (const tile of document.querySelectorAll("[data-find]")) {
    tile.addEventListener("click", () => {
      find.value = tile.dataset.find;
      filter();
      $("list").scrollIntoView({ block: "start" });
      find.focus({ preventScroll: true });
    });
  }
  rows.addEventListener("click", (event) => {
    const made = event.target.closest("[data-row]");
    if (!made) return;
    picked = Number(made.dataset.row);
    $("detail").textContent = paths[picked] + ": " + data.whys[data.why[picked]] + ", "
      + data.sizes[picked].toLocaleString("en") + " bytes";
    first = -1;
    draw();
  });
  find.addEventListener("input", filter);
  sort.addEventListener("change", filter);
  pane.addEventListener("scroll", draw, { passive: true });
  narrow.addEventListener("change", layout);
  addEventListener("resize", layout);
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  $("controls").hidden = false;
  filter();
  document.documentElement.dataset.opened = Math.round(performance.now());
})();
