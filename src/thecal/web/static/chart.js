// Charts out of tables: what is drawn is what stands in the cells, so that chart and table never disagree.
//
//   <figure class="charted">
//     <details open><summary>Table</summary>
//     <table data-chart="steps" data-x="clock" data-unit="mg" data-top="0.25" data-scale="0 to 0.25 mg ..." data-source="...">
//       <caption>Dose of each hour</caption>
//       <thead><tr><th>From</th><th data-line="solid">Now</th><th data-line="outline">Proposed</th></tr></thead>
//       <tbody><tr><th data-at="21600">06:00</th><td>0.05 mg</td><td>0.075 mg</td></tr> ...
//
// data-chart: "steps" (a value holds until the next row; data-until is where the last one ends) or "lines".
// data-x: "clock" (s of a day), "hours" (s since the beginning), "time" (Unix s; data-zone names the clinic's zone).
// data-from and data-until, where both stand on a chart of lines, are the ends of the time axis.
// data-line of a column: solid, outline, dashed, dotted, points, hollow and faint (points too); low and high (with data-of="2", the column of its line)
// make a band; of several, the outer ones stand outside in the table. data-zero="no": a zero is read but not drawn.
// data-behind="id" of a second table of steps: they stand behind, on a scale of their own at the right.
// data-chart "lanes": each column with data-line is a lane, with a point wherever its cell holds words. "stacked": one bar
// of the counts in the first column. "panels": a small chart for each day, of rows whose data-day is the same.
// A column without data-line is not drawn and is read aloud. Needs uPlot.
"use strict";
(() => {
  const COLORS = { light: ["#0b4f6c", "#8a3b12", "#3d3a8c", "#4a5a12"], dark: ["#8fd3ee", "#ffb38a", "#b9b6ff", "#cfe08a"] };
  const DASH = { solid: [], outline: [10, 4], dashed: [10, 4], dotted: [2, 4], points: [], hollow: [], faint: [] };
  const POINTS = new Set(["points", "hollow", "faint"]);
  const dark = () => document.documentElement.dataset.bsTheme === "dark";
  const number = (text) => {
    const found = /-?[0-9][0-9,]*(\.[0-9]+)?/.exec(text);
    return found ? Number(found[0].replaceAll(",", "")) : null;
  };

  const drawable = (value, zero) => (value === 0 && zero === "no" ? null : value);

  function read(table) {
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    const rows = [...table.tBodies].flatMap((body) => [...body.rows]).filter((row) => row.cells[0].dataset.at !== undefined);
    const series = heads.slice(1).map((head, n) => ({
      name: head.textContent.trim(),
      line: head.dataset.line,
      of: head.dataset.of === undefined ? null : Number(head.dataset.of) - 1,
      values: rows.map((row) => (row.cells[n + 1] ? drawable(number(row.cells[n + 1].textContent), table.dataset.zero) : null)),
      texts: rows.map((row) => (row.cells[n + 1] ? row.cells[n + 1].textContent.trim() : "")),
    }));
    return {
      at: rows.map((row) => Number(row.cells[0].dataset.at)),
      names: rows.map((row) => row.cells[0].textContent.trim()),
      series,
    };
  }

  const grouped = (y) => y.toLocaleString("en-US", { maximumSignificantDigits: 6 });
  const two = (n) => String(n).padStart(2, "0");
  function ticks(kind, zone) {
    if (kind === "clock") return (u, at) => at.map((s) => `${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}`);
    if (kind === "hours") return (u, at) => at.map((s) => `${Number((s / 3600).toFixed(2))} h`);
    const shown = new Intl.DateTimeFormat("en-GB", { timeZone: zone || "UTC", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    return (u, at) => at.map((s) => shown.format(new Date(s * 1000)).replace(",", ""));
  }
  function hours(zone) {
    const shown = new Intl.DateTimeFormat("en-GB", { timeZone: zone || "UTC", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    return (u, at) => at.map((s) => shown.format(new Date(s * 1000)));
  }
  // The bands of one line, the outer one first, as their edges are named.
  function edgesOf(drawn, of) {
    const names = (line) => drawn.filter((s) => s.line === line && s.of === of).map((s) => s.name);
    const highs = names("high").reverse();
    return names("low").map((name, n) => `${name} to ${highs[n]}`);
  }
  const HOURS = [1, 2, 3, 4, 6, 12, 24, 48, 72, 168].map((h) => h * 3600);

  // The words of lanes become heights, the first lane at the top.
  function inLanes(data) {
    const lanes = data.series.filter((s) => s.line);
    lanes.forEach((lane, n) => { lane.values = lane.texts.map((text) => (text ? lanes.length - n - 0.5 : null)); lane.line = "points"; });
    return lanes.map((lane) => lane.name).reverse();
  }

  // Steps behind a chart, filled under a dotted edge, drawn before anything else.
  function drawBehind(u, behind, ink, fill) {
    const x = (s) => u.valToPos(s, "x", true), y = (v) => u.valToPos(Math.min(v, behind.top * 1.02), "behind", true);
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    const ends = [...behind.at.slice(1), 86400];
    ctx.beginPath();
    behind.values.forEach((v, n) => { if (v !== null) { ctx.lineTo(x(behind.at[n]), y(v)); ctx.lineTo(x(ends[n]), y(v)); } });
    ctx.strokeStyle = ink;
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.setLineDash([2 * devicePixelRatio, 2 * devicePixelRatio]);
    ctx.stroke();
    ctx.lineTo(x(86400), y(0));
    ctx.lineTo(x(behind.at[0]), y(0));
    ctx.fillStyle = fill;
    ctx.fill();
    ctx.restore();
  }

  const inSvg = (name, said) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(said)) made.setAttribute(key, value);
    return made;
  };
  const named = (tag, className, text) => Object.assign(document.createElement(tag), { className, textContent: text });

  // One bar of counts: the first part solid, the others hatched or open, so that print needs no color.
  let hatches = 0;
  function stacked(host, data, label) {
    host.replaceChildren();
    const counts = data.series[0].values.map((value) => value || 0);
    const all = counts.reduce((sum, count) => sum + count, 0);
    const bar = inSvg("svg", { class: "chart-bar", width: "100%", height: 36, role: "img", "aria-label": label });
    const id = `chart-hatch-${++hatches}`;
    const hatch = inSvg("pattern", { id, width: 8, height: 8, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
    hatch.append(inSvg("rect", { width: 3, height: 8, class: "chart-ink" }));
    bar.append(hatch);
    const legend = named("ul", "chart-legend", "");
    let from = 0;
    counts.forEach((count, n) => {
      const fill = n === 0 ? { class: "chart-solid" } : { class: "chart-open", fill: `url(#${id})` };
      if (all && count) bar.append(inSvg("rect", { x: `${(100 * from) / all}%`, y: 1, width: `${(100 * count) / all}%`, height: 34, ...fill }));
      from += count;
      const item = document.createElement("li");
      const swatch = inSvg("svg", { width: 24, height: 14, "aria-hidden": "true" });
      swatch.append(inSvg("rect", { x: 1, y: 1, width: 22, height: 12, ...fill }));
      item.append(swatch, named("span", "", [data.names[n], ...data.series.map((s) => s.texts[n])].filter(Boolean).join(", ")));
      legend.append(item);
    });
    host.append(bar, legend);
  }

  // A small chart for each day on one scale; the arrow keys go from day to day.
  function panels(host, table, options) {
    host.replaceChildren();
    const days = new Map();
    for (const row of [...table.tBodies].flatMap((body) => [...body.rows])) {
      const { day, at } = row.cells[0].dataset;
      if (!days.has(day)) days.set(day, { name: day, points: [], middle: row.cells[3] ? row.cells[3].textContent.trim() : "" });
      if (at !== undefined) days.get(day).points.push({ at: Number(at), when: row.cells[1].textContent.trim(), text: row.cells[2].textContent.trim() });
    }
    const area = named("div", "chart-panels", "");
    area.tabIndex = 0;
    area.setAttribute("role", "group");
    area.setAttribute("aria-label", `Chart: ${options.label}. Left and right arrow keys read the days; the table holds them all.`);
    const reading = named("output", "chart-reading", "");
    const all = [...days.values()];
    const told = all.map(({ name, points, middle }) => `${name}: ${points.map((p) => `${p.when} ${p.text}`).join("; ") || "no score"}.${middle ? ` Median ${middle}.` : ""} ${options.source}.`);
    const items = all.map(({ name, points }, n) => {
      const item = document.createElement("div");
      const plot = inSvg("svg", { viewBox: "0 0 120 56", "aria-hidden": "true" });
      plot.append(inSvg("rect", { x: 0.5, y: 0.5, width: 119, height: 55, class: "chart-frame" }));
      const y = (value) => 52 - (Math.min(value, options.top) / options.top) * 48;
      if (options.goal !== undefined) plot.append(inSvg("line", { x1: 0, x2: 120, y1: y(options.goal), y2: y(options.goal), class: "chart-goal" }));
      for (const p of points) plot.append(inSvg("circle", { cx: 3 + (p.at / 86400) * 114, cy: y(number(p.text)), r: 3, class: "chart-solid" }));
      item.append(named("span", "", name.replace(/ \d{4}$/, "")), plot);
      item.addEventListener("pointerenter", () => choose(n));
      return item;
    });
    let here = -1;
    const choose = (n) => {
      if (here >= 0) items[here].classList.remove("chart-here");
      here = n;
      items[n].classList.add("chart-here");
      reading.textContent = told[n];
    };
    area.append(...items);
    area.addEventListener("focus", () => { if (here < 0 && items.length) choose(0); });
    area.addEventListener("keydown", (event) => {
      const moves = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: items.length - 1 };
      if (!(event.key in moves)) return;
      event.preventDefault();
      choose(Math.max(0, Math.min(moves[event.key], items.length - 1)));
    });
    host.append(area, reading, named("p", "chart-scale", `Scale: ${options.scale}.`));
  }

  // data: {at, until, names, series}; options: {kind, x, zone, top, bottom, unit, label, scale, source}
  function draw(host, data, options) {
    host.replaceChildren();
    const colors = COLORS[dark() ? "dark" : "light"];
    const ink = getComputedStyle(document.body).color;
    const steps = options.kind === "steps";
    const drawn = data.series.map((s, n) => ({ ...s, n })).filter((s) => s.line);
    const lines = drawn.filter((s) => s.line !== "low" && s.line !== "high");
    const xs = steps ? [...data.at, data.until ?? 86400] : data.at;
    const ys = drawn.map((s) => (steps ? [...s.values, s.values[s.values.length - 1]] : s.values));
    const most = Math.max(0, ...ys.flat().filter((y) => y !== null));
    const lanes = options.lanes;
    const behind = options.behind;
    const top = lanes ? lanes.length : options.top || most || 1;
    const whole = options.whole;
    const area = document.createElement("div");
    area.className = "chart-area";
    area.tabIndex = 0;
    area.setAttribute("role", "group");
    area.setAttribute("aria-label", `Chart: ${options.label}. Left and right arrow keys read the values; the table holds them all.`);
    const reading = document.createElement("output");
    reading.className = "chart-reading";
    const legend = document.createElement("ul");
    legend.className = "chart-legend";
    const scale = document.createElement("p");
    scale.className = "chart-scale";
    scale.textContent = options.scale ? `Scale: ${options.scale}.` : `Scale: 0 to ${grouped(top)} ${options.unit}.`;
    if (most > top) scale.textContent += ` What lies above it ends at the upper edge: the highest value is ${grouped(most)} ${options.unit}.`;
    if (behind) scale.textContent += ` At the right: ${behind.scale || `0 to ${grouped(behind.top)} ${behind.unit}`}.`;
    host.append(legend, area, reading, scale);

    const stepped = steps ? uPlot.paths.stepped({ align: 1 }) : undefined;
    const color = (s) => colors[lines.findIndex((l) => l.n === (s.of ?? s.n)) % colors.length];
    const series = drawn.map((s) => {
      const edge = s.line === "low" || s.line === "high";
      return {
        label: s.name,
        stroke: color(s),
        width: edge ? 1 : s.line === "solid" ? 3 : 2,
        dash: edge ? [2, 4] : DASH[s.line],
        paths: POINTS.has(s.line) ? () => null : stepped,
        points: { show: POINTS.has(s.line) || ((s.line === "solid" || edge) && !steps && s.values.includes(null)), size: s.line === "hollow" ? 14 : POINTS.has(s.line) ? 10 : edge ? 4 : 6, width: 2, fill: s.line === "points" ? color(s) : s.line === "faint" ? "#8888" : "transparent" },
        fill: steps && s.line === "solid" ? `${color(s)}22` : undefined,
      };
    });
    const bands = drawn.flatMap((s, n) => {
      if (s.line !== "high") return [];
      const edges = (line) => drawn.map((other, at) => (other.line === line && other.of === s.of ? at : -1)).filter((at) => at >= 0);
      const low = edges("low").reverse()[edges("high").indexOf(n)];
      return low === undefined ? [] : [{ series: [n + 1, low + 1], fill: `${color(s)}22` }];
    });
    for (const s of lanes ? [] : lines) {
      const item = document.createElement("li");
      item.innerHTML = POINTS.has(s.line)
        ? '<svg width="16" height="12" aria-hidden="true"><circle cx="7" cy="6" r="4"></circle></svg><span></span>'
        : '<svg width="44" height="10" aria-hidden="true"><line x1="0" y1="5" x2="44" y2="5"></line></svg><span></span>';
      const sample = item.querySelector("line, circle");
      if (POINTS.has(s.line)) sample.setAttribute("fill", s.line === "points" ? color(s) : s.line === "faint" ? "#8888" : "none");
      sample.setAttribute("stroke", color(s));
      sample.setAttribute("stroke-width", s.line === "solid" ? "4" : "2");
      if (DASH[s.line].length) sample.setAttribute("stroke-dasharray", DASH[s.line].join(" "));
      item.querySelector("span").textContent = s.name;
      legend.append(item);
    }
    if (bands.length) {
      const item = document.createElement("li");
      const edges = edgesOf(drawn, lines[0].n);
      item.textContent = `shaded between dotted edges: ${edges.length > 1 ? edges.join(", ") : "the band"}`;
      legend.append(item);
    }

    if (behind) {
      const item = document.createElement("li");
      const swatch = inSvg("svg", { width: 44, height: 14, "aria-hidden": "true" });
      swatch.append(inSvg("path", { d: "M1 13V9H15V2H29V7H43V13Z", class: "chart-behind" }));
      item.append(swatch, named("span", "", `${behind.name}, ${behind.unit}, at the right`));
      legend.append(item);
    }
    const behindAt = (s) => {
      const n = behind.at.findLastIndex((from) => from <= s);
      return n < 0 ? "" : `${behind.name} ${behind.texts[n]}`;
    };

    let here = -1;
    const say = (n) => {
      if (n === null || n === undefined || n < 0) return;
      here = Math.min(n, data.at.length - 1);
      const parts = data.series.map((s) => (s.texts[here] ? `${s.name} ${s.texts[here]}` : "")).filter(Boolean);
      if (behind && behindAt(data.at[here])) parts.push(behindAt(data.at[here]));
      reading.textContent = `${data.names[here]}: ${parts.join("; ")}.${options.source ? ` ${options.source}.` : ""}`;
    };
    const grid = { stroke: dark() ? "#ffffff22" : "#00000018" };
    const plot = new uPlot(
      {
        width: Math.max(area.clientWidth, 200),
        height: options.height || 260,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 8 } },
        scales: { x: options.from === undefined ? { time: false } : { time: false, range: () => [options.from, data.until] }, y: { range: () => [0, top * 1.02] }, ...(behind ? { behind: { range: () => [0, behind.top * 1.02] } } : {}) },
        axes: [
          options.from === undefined
            ? { stroke: ink, grid, size: 30, values: ticks(options.x, options.zone), incrs: options.x === "time" ? undefined : HOURS, space: options.x === "time" ? 110 : 50 }
            : { stroke: ink, grid, size: 30, values: hours(options.zone), splits: (u) => {
                const step = u.width < 600 ? 21600 : 10800;
                return Array.from({ length: Math.floor((data.until - options.from) / step) + 1 }, (_, n) => options.from + n * step);
              } },
          lanes
            ? { stroke: ink, grid, size: 90, splits: () => lanes.map((_, n) => n + 0.5), values: () => lanes.map((name) => (name.length > 13 ? `${name.slice(0, 12)}…` : name)) }
            : { stroke: ink, grid, size: 70, label: options.unit, labelSize: 20, incrs: whole ? [1, 2, 5, 10, 20, 50, 100] : undefined, values: (u, at) => at.map(grouped) },
          ...(behind ? [{ scale: "behind", side: 1, stroke: ink, grid: { show: false }, size: 60, label: behind.unit, labelSize: 20, values: (u, at) => at.map(grouped) }] : []),
        ],
        series: [{}, ...series, ...(behind ? [{ scale: "behind" }] : [])],
        bands,
        hooks: {
          setCursor: [(u) => say(u.cursor.idx)],
          drawClear: behind ? [(u) => drawBehind(u, behind, ink, dark() ? "#ffffff1c" : "#00000014")] : [],
        },
      },
      [xs, ...ys.map((row) => row.map((y) => (y === null ? null : Math.min(y, top * 1.02)))), ...(behind ? [xs.map(() => null)] : [])],
      area,
    );
    area.addEventListener("keydown", (event) => {
      const moves = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: data.at.length - 1, PageDown: here + 10, PageUp: here - 10 };
      if (!(event.key in moves)) return;
      event.preventDefault();
      const n = Math.max(0, Math.min(moves[event.key], data.at.length - 1));
      plot.setCursor({ left: plot.valToPos(data.at[n], "x"), top: 10 }, false);
      say(n);
    });
    area.addEventListener("focus", () => { if (here < 0) say(0); });
    new ResizeObserver(() => {
      const width = Math.max(area.clientWidth, 200);
      if (Math.abs(width - plot.width) > 1) plot.setSize({ width, height: plot.height });
    }).observe(area);
    return plot;
  }

  // A table of steps as what stands behind a chart; undefined where there is none.
  function stepsOf(table) {
    if (!table) return undefined;
    const { at, series: [{ name, values, texts }] } = read(table);
    const top = Number(table.dataset.top) || Math.max(...values) || 1;
    return { at, name, values, texts, top, unit: table.dataset.unit, scale: table.dataset.scale };
  }

  const drawn = new WeakMap();
  function show(table) {
    const said = table.dataset;
    let host = drawn.get(table);
    if (!host) {
      host = document.createElement("div");
      host.className = "chart";
      const details = table.closest("details");
      (details || table.closest(".table-wide") || table).before(host);
      if (details) details.open = false;
      drawn.set(table, host);
    }
    const label = table.caption ? table.caption.textContent.trim() : "";
    if (said.chart === "panels") {
      panels(host, table, { label, source: said.source, scale: said.scale, top: Number(said.top), goal: said.goal ? Number(said.goal) : undefined });
      return;
    }
    const data = read(table);
    if (said.chart === "stacked") { stacked(host, data, label); return; }
    if (said.until !== undefined) data.until = Number(said.until);
    draw(host, data, {
      kind: said.chart, x: said.x || "clock", zone: said.zone, unit: said.unit || "", scale: said.scale, source: said.source,
      from: said.from === undefined ? undefined : Number(said.from),
      whole: said.whole === "yes",
      top: said.top ? Number(said.top) : undefined, height: said.height ? Number(said.height) : undefined,
      label, lanes: said.chart === "lanes" ? inLanes(data) : undefined, behind: said.behind ? stepsOf(document.getElementById(said.behind)) : undefined,
    });
  }

  const every = (known) => document.querySelectorAll("table[data-chart]").forEach((table) => {
    if (known || !drawn.has(table) || !drawn.get(table).isConnected) { if (!known) drawn.delete(table); show(table); }
  });
  function begin() {
    every(false);
    new MutationObserver(() => every(false)).observe(document.body, { childList: true, subtree: true });
    new MutationObserver(() => every(true)).observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });
  }
  window.ThecalChart = { draw, number };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin); else begin();
})();
