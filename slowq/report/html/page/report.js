"use strict";
// Charts, sorting, filters, copy buttons, links that open what they name, and paper. Everything else is there without it.
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const media = (query) => window.matchMedia(query);

  // ---- Charts -------------------------------------------------------------------------------------------------------
  const { figures, lists } = JSON.parse(document.getElementById("slowq-figures").textContent);
  const drawn = new Map(); // element of a chart → its figure

  // A figure as plotly takes it: colours of the theme for their names, lists for their numbers.
  function resolved(value, style) {
    if (typeof value === "string") {
      const name = /^var\((--[\w-]+)\)$/.exec(value);
      return name ? style.getPropertyValue(name[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.map((one) => resolved(one, style));
    if (value === null || typeof value !== "object") return value;
    if ("$" in value) return resolved(lists[value.$], style);
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, resolved(one, style)]));
  }

  function draw(element) {
    const style = getComputedStyle(root);
    const figure = resolved(figures[element.dataset.chart], style);
    figure.layout.font.family = style.getPropertyValue("--sans");
    const zooms = element.dataset.zooms === "yes";
    figure.layout.dragmode = zooms && !media("(pointer: coarse)").matches ? "zoom" : false;
    if (element.clientWidth < 520) figure.layout.xaxis.nticks = Math.min(figure.layout.xaxis.nticks || 3, 3);
    if (root.classList.contains("paper")) figure.layout.width = element.clientWidth;
    for (const axis of zooms ? ["yaxis", "yaxis2"] : ["xaxis", "yaxis", "yaxis2"]) {
      if (figure.layout[axis]) figure.layout[axis].fixedrange = true;
    }
    const kept = drawn.get(element) && element.layout?.xaxis?.range;
    if (kept && zooms) figure.layout.xaxis.range = kept.slice();
    Plotly.react(element, figure.data, figure.layout, { displayModeBar: false, responsive: true, doubleClick: "reset" });
    if (!drawn.has(element) && zooms) element.after(zoomButtons(element));
    drawn.set(element, figure);
  }

  function zoomButtons(element) {
    const home = element.layout.xaxis.range.slice();
    const time = (moment) => Date.parse(String(moment).replace(" ", "T") + "Z");
    const text = (ms) => new Date(ms).toISOString().slice(0, 23).replace("T", " ");
    const move = (change) => () => {
      const [low, high] = element.layout.xaxis.range.map(time);
      const [start, end] = change(low, high - low);
      Plotly.relayout(element, { "xaxis.range": [text(start), text(end)] });
    };
    const bar = document.createElement("div");
    bar.className = "zoom";
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", "Zoom: " + element.closest("figure").querySelector("h3").textContent);
    const actions = [
      ["Zoom in", move((low, span) => [low + span / 4, low + (span * 3) / 4])],
      ["Zoom out", move((low, span) => [low - span / 2, low + (span * 3) / 2])],
      ["Earlier", move((low, span) => [low - span / 2, low + span / 2])],
      ["Later", move((low, span) => [low + span / 2, low + (span * 3) / 2])],
      ["Reset", () => Plotly.relayout(element, { "xaxis.range": home.slice() })],
    ];
    for (const [name, act] of actions) bar.append(button(name, act));
    return bar;
  }

  function button(name, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = name;
    made.addEventListener("click", act);
    return made;
  }

  const plots = all(".plot");
  for (const plot of plots) plot.style.minHeight = figures[plot.dataset.chart].layout.height + "px";
  // A chart is drawn when it is about to be seen, so that the page opens at once.
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting && target.clientWidth) {
        watcher.unobserve(target);
        draw(target);
      }
    }
  }, { rootMargin: "600px 0px" });
  for (const plot of plots) watcher.observe(plot);
  media("(prefers-color-scheme: dark)").addEventListener("change", () => [...drawn.keys()].forEach(draw));

  // ---- Paper --------------------------------------------------------------------------------------------------------
  let opened = [];
  function toPaper() {
    if (root.classList.contains("paper")) return;
    root.classList.add("paper");
    opened = all("details:not([open])");
    for (const one of opened) one.open = true;
    plots.forEach(draw);
  }
  function fromPaper() {
    root.classList.remove("paper");
    for (const one of opened) one.open = false;
    opened = [];
    plots.forEach(draw);
  }
  window.addEventListener("beforeprint", toPaper);
  window.addEventListener("afterprint", fromPaper);
  media("print").addEventListener("change", ({ matches }) => (matches ? toPaper() : fromPaper()));

  // ---- Copy ---------------------------------------------------------------------------------------------------------
  const said = document.getElementById("said");
  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  }
  for (const snippet of all(".snippet")) {
    const pre = snippet.querySelector("pre");
    const made = button("Copy", async () => {
      await copy(pre.textContent);
      made.textContent = said.textContent = "Copied";
      setTimeout(() => (made.textContent = "Copy"), 1500);
    });
    made.className = "copy";
    made.setAttribute("aria-label", "Copy: " + pre.getAttribute("aria-label").replace(/^Snippet: /, ""));
    snippet.append(made);
  }

  // ---- Patterns -----------------------------------------------------------------------------------------------------
  for (const table of all("table.sortable")) {
    const body = table.tBodies[0];
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      const sort = button(head.textContent, () => {
        const numeric = head.classList.contains("n");
        const was = head.getAttribute("aria-sort");
        const down = was ? was === "ascending" : numeric;
        const key = (row) => (numeric ? Number(row.cells[column].dataset.value) : row.cells[column].textContent.trim());
        const compare = (a, b) => (numeric ? a - b : a.localeCompare(b));
        const rows = all("tr", body).sort((a, b) => (down ? -1 : 1) * compare(key(a), key(b)));
        heads.forEach((one) => one.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        body.append(...rows);
      });
      head.replaceChildren(sort);
    });
  }
  const filter = document.getElementById("pattern-filter");
  if (filter) {
    const rows = all("#pattern-table tbody tr");
    const count = document.getElementById("pattern-count");
    filter.closest(".tools").hidden = false;
    filter.addEventListener("input", () => {
      const wanted = filter.value.toLowerCase();
      for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
      count.textContent = wanted ? rows.filter((row) => !row.hidden).length + " of " + rows.length : "";
    });
  }

  // ---- Links --------------------------------------------------------------------------------------------------------
  function reveal() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    const folded = target.querySelector(":scope > details");
    if (folded) folded.open = true;
    for (let at = target.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
    target.scrollIntoView();
  }
  window.addEventListener("hashchange", reveal);
  if (location.hash) reveal();
})();
