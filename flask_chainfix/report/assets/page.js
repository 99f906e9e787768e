// The page of "graph": two lists of rows, of which only those in sight exist, and what is known of
// each revision. Plain JavaScript, in ASCII; whatever comes from a migration becomes text, never
// markup. Words: a view is one state of the chain, an item is a row or a fold that is closed.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const ALIGNED = 108, BEYOND = 600; // pixels: of lanes before the text; around what is in sight
  const narrow = window.matchMedia("(max-width: 1080px)");
  const FEW = 30; // rows that are shown without folds
  const at = (id) => document.getElementById(id);
  const children = new Map(); // the keys of revisions, by their parent's
  const position = new Map(data.revisions.map((each, index) => [each.key, index]));
  const state = { words: [], filters: new Set(), zoom: 1, selected: null, shown: null };

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  const drawn = (name, attributes) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  // --- What is searched ------------------------------------------------------------------------

  let texts = null;

  // What rows do not show stands behind this script, so that they need not wait for it.
  const whenComplete = (then) => {
    if (document.readyState === "loading") {
      document.addEventListener("DOMContentLoaded", () => whenComplete(then), { once: true });
      return;
    }
    if (texts === null) complete();
    then();
  };

  const complete = () => {
    const more = JSON.parse(at("more").textContent);
    data.revisions.forEach((each, index) => Object.assign(each, more[index]));
    texts = data.revisions.map((each) =>
      [each.key, each.text, each.author, each.file, ...(each.tables || []), ...(each.labels || [])]
        .join("\n").toLowerCase());
    for (const { revision } of views[0].rows) {
      for (const parent of data.revisions[revision].parents || []) {
        if (!children.has(parent)) children.set(parent, []);
        children.get(parent).push(data.revisions[revision].key);
      }
    }
  };

  const fits = (index) => {
    const revision = data.revisions[index];
    return state.words.every((word) => texts[index].includes(word)) &&
      (!state.filters.has("findings") || revision.findings) &&
      (!state.filters.has("databases") || revision.databases) &&
      (!state.filters.has("mine") || revision.mine);
  };

  const isSearching = () => state.words.length > 0 || state.filters.size > 0;

  // --- A view ----------------------------------------------------------------------------------

  class View {
    constructor({ title, aside, rows, folds }, number) {
      this.number = number;
      this.rows = rows.map(([revision, tone, badges, lines, faint, x, width, height, gap]) =>
        ({ revision, tone, badges, lines, faint, x, width, height, gap }));
      this.folds = folds.map(([start, stop, words, lines, faint, x, width, height, gap]) =>
        ({ start, stop, words, lines, faint, x, width, height, gap }));
      this.column = Math.min(ALIGNED, this.rows.reduce((most, row) => Math.max(most, row.width), 0));
      this.open = new Set(this.rows.length > FEW ? [] : this.folds.keys());
      this.made = new Map();
      this.active = -1;
      this.body = element("div", { class: "rows", role: "presentation" });
      this.scroller = element("div", {
        class: "scroller", role: "listbox", tabindex: "0", "aria-label": `${title}, ${aside}`,
      }, this.body);
      const heading = element("h2", {}, title, " ", element("small", {}, aside));
      this.pane = element("section", { class: "pane", "aria-label": title }, heading, this.scroller);
      this.scroller.addEventListener("scroll", () => this.paint(), { passive: true });
      this.scroller.addEventListener("keydown", (event) => this.key(event));
      this.body.addEventListener("click", (event) => {
        const row = event.target.closest(".row");
        if (!row) return;
        this.choose(Number(row.dataset.item));
        // Where the details are below, nobody would see that anything has happened.
        if (narrow.matches && !row.classList.contains("fold")) at("details").scrollIntoView();
      });
    }

    // Which rows there are: a fold stands for its rows unless it is open, or something was found.
    arrange() {
      const kept = this.active >= 0 && this.items ? this.items[this.active] : null;
      this.items = [];
      let top = 4, row = 0;
      const add = (item) => {
        top += item.gap;
        this.items.push({ ...item, top });
        top += item.height;
      };
      for (const [index, fold] of [...this.folds.entries(), [-1, null]]) {
        const start = fold ? fold.start : this.rows.length;
        for (; row < start; row += 1) add({ ...this.rows[row], row });
        if (fold && !this.isOpen(index)) {
          add({ ...fold, fold: index });
          row = fold.stop;
        }
      }
      this.height = top + 4;
      this.active = kept ? this.items.findIndex((each) =>
        kept.row === undefined ? each.fold === kept.fold : each.row === kept.row) : -1;
      this.point();
      this.clear();
      this.resize();
    }

    point() {
      if (this.active < 0) this.scroller.removeAttribute("aria-activedescendant");
      else this.scroller.setAttribute("aria-activedescendant", `row-${this.number}-${this.active}`);
    }

    isOpen(index) {
      if (this.open.has(index)) return true;
      if (state.selected === null && !isSearching()) return false;
      const { start, stop } = this.folds[index];
      const inside = this.rows.slice(start, stop);
      return inside.some((row) => row.revision === state.selected) ||
        (isSearching() && inside.some((row) => fits(row.revision)));
    }

    resize() {
      this.body.style.transform = state.zoom === 1 ? "" : `scale(${state.zoom})`;
      this.body.style.width = `${100 / state.zoom}%`;
      this.body.style.height = `${this.height}px`;
      this.body.style.marginBottom = `${this.height * (state.zoom - 1)}px`;
      this.paint();
    }

    clear() {
      for (const row of this.made.values()) row.remove();
      this.made.clear();
    }

    // Make the rows that are in sight, and drop those that no longer are.
    paint(everything = false) {
      const above = everything ? -Infinity : (this.scroller.scrollTop - BEYOND) / state.zoom;
      const below = everything ? Infinity :
        (this.scroller.scrollTop + this.scroller.clientHeight + BEYOND) / state.zoom;
      const first = this.firstBelow(above), fresh = document.createDocumentFragment();
      const wanted = new Set();
      for (let index = first; index < this.items.length && this.items[index].top < below; index += 1) {
        wanted.add(index);
        if (this.made.has(index)) continue;
        const row = this.row(index);
        this.made.set(index, row);
        fresh.append(row);
      }
      for (const [index, row] of this.made) {
        if (wanted.has(index) || index === this.active) continue;
        row.remove();
        this.made.delete(index);
      }
      this.body.append(fresh);
    }

    firstBelow(y) {
      let low = 0, high = this.items.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (this.items[middle].top + this.items[middle].height < y) low = middle + 1;
        else high = middle;
      }
      return low;
    }

    row(index) {
      const item = this.items[index], revision = data.revisions[item.revision];
      const isFold = item.fold !== undefined;
      const words = element("span", { class: "words" });
      words.style.left = `${Math.max(item.width, this.column) + 4}px`;
      if (isFold) {
        words.append(element("span", { class: "text" }, `${item.words} \u2014 show`));
      } else {
        words.append(element("span", { class: "key" }, revision.key),
          ...item.badges.map(([kind, text]) => element("span", { class: `badge ${kind}` }, text)),
          element("span", { class: "text" }, revision.text || ""));
      }
      const row = element("div", {
        class: `row ${isFold ? "fold" : item.tone}`, role: "option", id: `row-${this.number}-${index}`,
        "aria-selected": String(!isFold && item.revision === state.selected),
        "aria-posinset": index + 1, "aria-setsize": this.items.length, "data-item": index,
      }, this.lines(item, isFold), words);
      row.title = isFold ? "" : `${revision.key}  ${revision.text || ""}`;
      row.style.top = `${item.top}px`;
      row.style.height = `${item.height}px`;
      if (isSearching() && (isFold || !fits(item.revision))) row.classList.add("dim");
      return row;
    }

    lines(item, isFold) {
      const picture = drawn("svg", { "aria-hidden": "true", width: item.width, height: item.height });
      if (data.paths[item.lines]) picture.append(drawn("path", { class: "rail", d: data.paths[item.lines] }));
      if (data.paths[item.faint]) picture.append(drawn("path", { class: "faint", d: data.paths[item.faint] }));
      if (isFold) return picture;
      const x = item.x, y = 15, node = drawn("g", { class: item.tone });
      if (item.tone === "changed") {
        node.append(drawn("path", { class: "dot", d: `M${x} ${y - 6}L${x + 6} ${y}L${x} ${y + 6}L${x - 6} ${y}Z` }));
      } else {
        node.append(drawn("circle", { class: "dot", cx: x, cy: y, r: item.tone === "broken" ? 6 : 5 }));
      }
      if (item.tone === "broken") {
        node.append(drawn("path", { class: "cross", d: `M${x - 2.2} ${y - 2.2}l4.4 4.4m0 -4.4l-4.4 4.4` }));
      }
      picture.append(node);
      return picture;
    }

    // A fold opens; a revision is shown in all views.
    choose(index) {
      const item = this.items[index];
      if (item.fold !== undefined) {
        this.open.add(item.fold);
        this.arrange();
        this.activate(this.items.findIndex((each) => each.row === item.start));
      } else {
        this.activate(index);
        select(item.revision, this);
      }
    }

    activate(index) {
      this.active = index;
      this.reveal(index);
      this.paint();
      this.point();
    }

    reveal(index) {
      const { top, height } = this.items[index], { scrollTop, clientHeight } = this.scroller;
      const start = top * state.zoom, stop = (top + height) * state.zoom + 12;
      if (start < scrollTop) this.scroller.scrollTop = start - 8;
      else if (stop > scrollTop + clientHeight) this.scroller.scrollTop = stop - clientHeight;
    }

    // The item of a revision, its fold opened if need be.
    find(revision) {
      return this.items.findIndex((each) => each.row !== undefined && each.revision === revision);
    }

    key(event) {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      const page = Math.max(1, Math.floor(this.scroller.clientHeight / (30 * state.zoom)) - 1);
      const steps = {
        ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity,
      };
      if (event.key in steps) {
        const isFirst = this.active < 0 && event.key !== "End";
        const next = isFirst ? 0 : this.active + steps[event.key];
        const index = Math.max(0, Math.min(this.items.length - 1, next));
        if (this.items[index].fold === undefined) this.choose(index);
        else this.activate(index);
      } else if ((event.key === "Enter" || event.key === " ") && this.active >= 0) {
        const isRow = this.items[this.active].fold === undefined;
        this.choose(this.active);
        if (event.key === "Enter" && isRow) at("details").focus();
      } else return;
      event.preventDefault();
    }
  }

  const views = data.views.map((view, number) => new View(view, number));
  const inSight = () => views.filter((view) => view.pane.offsetParent !== null);

  // --- What is known of one revision -----------------------------------------------------------

  const select = (index, from = null) => {
    const before = state.selected;
    state.selected = index;
    for (const view of views) {
      if (index !== null && view.find(index) < 0) view.arrange();
      for (const [item, row] of view.made) {
        const { revision, fold } = view.items[item];
        row.setAttribute("aria-selected", String(fold === undefined && revision === index));
      }
      if (index !== null && view !== from && view.find(index) >= 0) view.activate(view.find(index));
    }
    if (index === before && from) return;
    whenComplete(() => show(state.selected));
  };

  const revisionButton = (key) =>
    element("button", { type: "button", class: "revision", "data-revision": key }, key);

  const part = (title, ...children) => [element("h3", {}, title), ...children];

  const listed = (name, entries) => element("ul", { class: name }, ...entries);

  const show = (index) => {
    const place = at("details"), known = index === null ? null : data.revisions[index];
    place.replaceChildren();
    place.hidden = known === null;
    at("overview").hidden = known !== null;
    if (known === null) return;
    const back = element("button", { type: "button", class: "back", id: "back" }, "\u2190 All findings");
    back.addEventListener("click", () => select(null));
    place.append(back, element("h2", { id: "details-title" }, known.key));
    if (known.text) place.append(element("p", {}, known.text));
    if (known.unreadable) place.append(element("p", { class: "quiet" }, `The file ${known.unreadable}.`));
    if (known.file) place.append(...part("File", element("code", {}, known.file)));
    if (known.copies) place.append(element("p", { class: "quiet" }, `${known.copies} files have this id`));
    if (known.landed) {
      place.append(...part("Landed", element("p", {}, known.author ? `${known.landed}, by ${known.author}` : known.landed)));
    }
    for (const [change, reasons] of known.changes || []) {
      place.append(...part("Why it moves", element("p", {}, element("code", {}, change)),
        listed("reasons", reasons.map(([kind, detail]) =>
          element("li", {}, element("b", {}, kind), ` ${detail}`)))));
    }
    if (known.does) {
      place.append(...part("What it does to the schema", listed("does", known.does.map(([line, text]) =>
        element("li", {}, element("b", {}, line ? `:${line}` : ""), text)))));
    }
    const above = children.get(known.key) || [];
    for (const [title, keys] of [
      ["Parents", known.parents], ["Children", above], ["Depends on", known.needs],
    ]) {
      if (keys && keys.length) place.append(...part(title, element("p", {}, ...keys.flatMap((key) => [revisionButton(key), " "]))));
    }
    if (known.databases) place.append(...part("Databases that stand here", listed("", known.databases.map((name) => element("li", {}, name)))));
    if (known.labels) place.append(...part("Branch labels", element("p", {}, known.labels.join(", "))));
    if (known.findings) place.append(...part("Findings", ...known.findings.map(finding)));
    if (known.doc) place.append(...part("Docstring", element("pre", {}, known.doc.join("\n"))));
    place.parentElement.scrollTop = 0;
    at("said").textContent = `${known.key} ${known.text || ""}`;
  };

  const finding = (number) => {
    const copy = at(`finding-${number}`).cloneNode(true);
    copy.removeAttribute("id");
    return copy;
  };

  // --- Tools -----------------------------------------------------------------------------------

  const search = () => whenComplete(() => {
    state.words = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const view of views) {
      view.arrange();
      const first = view.items.findIndex((item) => item.fold === undefined && fits(item.revision));
      if (isSearching() && first >= 0) view.reveal(first);
    }
    const number = isSearching() ? data.revisions.filter((_, index) => fits(index)).length : -1;
    at("count").textContent = number < 0 ? "" : `${number.toLocaleString("en")} of ${data.revisions.length.toLocaleString("en")}`;
  });

  // Go to the next revision that was found, from the one that is selected.
  const next = (step) => {
    const [view] = inSight();
    const found = view.items.filter((item) => item.fold === undefined && fits(item.revision));
    if (!found.length) return;
    const here = found.findIndex((item) => item.revision === state.selected);
    const there = found[(here < 0 ? (step > 0 ? 0 : -1) : here + step + found.length) % found.length] || found[found.length - 1];
    select(there.revision);
  };

  const setMode = (mode) => {
    document.body.dataset.mode = mode;
    for (const button of at("modes").children) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    }
    for (const view of inSight()) {
      view.paint();
      if (view.active >= 0) view.reveal(view.active);
    }
  };

  const zoom = (factor) => {
    state.zoom = Math.min(1.8, Math.max(0.4, Math.round(state.zoom * factor * 100) / 100));
    for (const view of views) view.resize();
  };

  const unfold = () => {
    const pressed = at("unfold").getAttribute("aria-pressed") !== "true";
    at("unfold").setAttribute("aria-pressed", String(pressed));
    for (const view of views) {
      view.open = new Set(pressed ? view.folds.keys() : []);
      view.arrange();
    }
  };

  const copy = async (button) => {
    let done = true;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      const area = element("textarea", { class: "unseen", "aria-hidden": "true" });
      area.value = button.dataset.copy;
      document.body.append(area);
      area.select();
      done = document.execCommand("copy");
      area.remove();
      button.focus();
    }
    button.textContent = done ? "Copied" : "Select it";
    at("said").textContent = done ? "Copied" : "It cannot be copied: select it";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.copy !== undefined) copy(button);
    else if (button.dataset.revision !== undefined && position.has(button.dataset.revision)) {
      select(position.get(button.dataset.revision));
    } else if (button.dataset.filter) {
      const pressed = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(pressed));
      state.filters[pressed ? "add" : "delete"](button.dataset.filter);
      search();
    } else if (button.dataset.mode) setMode(button.dataset.mode);
  });

  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, textarea");
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Escape") {
      if (typing && at("search").value) { at("search").value = ""; search(); }
      else if (state.selected !== null) select(null);
      else return;
    } else if (event.key === "Enter" && typing) next(event.shiftKey ? -1 : 1);
    else if (typing) return;
    else if (event.key === "/") { at("search").focus(); at("search").select(); }
    else if (event.key === "s" && views.length > 1) setMode(document.body.dataset.mode === "0" ? "1" : "0");
    else if (event.key === "n") next(1);
    else if (event.key === "p") next(-1);
    else if (event.key === "f") unfold();
    else if (event.key === "+" || event.key === "=") zoom(1.15);
    else if (event.key === "-") zoom(1 / 1.15);
    else return;
    event.preventDefault();
  });

  at("search").addEventListener("input", search);
  at("unfold").addEventListener("click", unfold);
  at("larger").addEventListener("click", () => zoom(1.15));
  at("smaller").addEventListener("click", () => zoom(1 / 1.15));
  window.addEventListener("resize", () => { for (const view of views) view.paint(); });
  window.addEventListener("beforeprint", () => { for (const view of views) view.paint(true); });
  window.addEventListener("afterprint", () => { for (const view of views) view.paint(); });

  at("views").replaceChildren(...views.map((view) => view.pane));
  at("details").tabIndex = -1;
  if (views.length > 1) {
    for (const [mode, title] of [["both", "Side by side"], ["0", "Current"], ["1", "Expected"]]) {
      at("modes").append(element("button", { type: "button", "data-mode": mode }, title));
    }
  }
  at("unfold").hidden = !views.some((view) => view.folds.length > view.open.size);
  document.querySelector("[data-filter=databases]").hidden = !data.revisions.some((each) => each.databases);
  document.querySelector("[data-filter=findings]").hidden = !data.revisions.some((each) => each.findings);
  for (const button of document.querySelectorAll(".copy")) button.hidden = false;
  at("bar").hidden = at("keys").hidden = false;
  for (const view of views) view.arrange();
  setMode(views.length > 1 && !narrow.matches ? "both" : "0");
  for (const view of views) {
    const fault = view.items.findIndex((item) => item.tone === "broken" || item.tone === "changed");
    if (fault >= 0) view.reveal(fault);
  }
})();
