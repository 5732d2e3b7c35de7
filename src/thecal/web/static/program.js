// Steps of a day schedule drawn while they are written. Dragging a step only writes a number into its field; the fields
// themselves do the same by keyboard, and everything works without this script.
"use strict";
(() => {
  const time = (text) => {
    const found = /^([01][0-9]|2[0-3]):([0-5][0-9])(:[0-5][0-9])?$/.exec(text.trim());
    return found ? Number(found[1]) * 3600 + Number(found[2]) * 60 : null;
  };
  function rowsOf(table) {
    return [...table.tBodies[0].rows].map((row) => ({
      start: time(row.querySelector('[name="step_from"]').value),
      text: row.querySelector('[name="step_from"]').value.trim(),
      dose: row.querySelector('[name="step_dose"]').value.trim(),
      input: row.querySelector('[name="step_dose"]'),
    })).filter((row) => row.text || row.dose);
  }
  function hostOf(table) {
    const wide = table.closest(".table-wide");
    let host = wide.previousElementSibling;
    if (!host || !host.classList.contains("steps-chart")) {
      host = document.createElement("div");
      host.className = "steps-chart";
      wide.before(host);
    }
    return host;
  }
  function say(host, text) {
    host.replaceChildren();
    const line = document.createElement("p");
    line.className = "form-hint";
    line.textContent = text;
    host.append(line);
  }
  function show(table) {
    const host = hostOf(table), unit = table.dataset.unit, rows = rowsOf(table);
    if (!table.dataset.top) return say(host, "Enter the plan or the ceiling of 1 h and show the fields again: the drawing is to their scale.");
    const rising = rows.every((row, n) => row.start !== null && (n === 0 ? row.start === 0 : row.start > rows[n - 1].start));
    if (!rows.length || !rising || !rows.every((row) => row.dose.endsWith(` ${unit}`))) {
      return say(host, `The steps are drawn when they rise from 00:00 on and their doses are in ${unit}.`);
    }
    const top = Number(table.dataset.top);
    const plot = window.ThecalChart.draw(host, {
      at: rows.map((row) => row.start), until: 86400, names: rows.map((row) => `From ${row.text}`),
      series: [{ name: "As entered", line: "solid", of: null, values: rows.map((row) => window.ThecalChart.number(row.dose)), texts: rows.map((row) => row.dose) }],
    }, { kind: "steps", x: "clock", unit, top, height: 190, label: "steps as entered", scale: `0 to ${top} ${unit}, ${table.dataset.why}` });
    drags(plot, rows, unit, top);
  }
  function drags(plot, rows, unit, top) {
    const digits = Math.max(0, -Math.floor(Math.log10(top / 50)));
    const step = 10 ** -digits;
    const over = plot.over;
    over.addEventListener("pointerdown", (event) => {
      const at = plot.posToVal(event.offsetX, "x");
      const row = rows.filter((r) => r.start <= at).pop();
      if (!row) return;
      over.setPointerCapture(event.pointerId);
      const move = (moved) => {
        const y = Math.max(0, Math.min(plot.posToVal(moved.offsetY, "y"), top));
        row.input.value = `${Number((Math.round(y / step) * step).toFixed(digits))} ${unit}`;
        plot.setData([plot.data[0], [...rows, rows[rows.length - 1]].map((r) => window.ThecalChart.number(r.input.value))], false);
        plot.redraw();
      };
      over.addEventListener("pointermove", move);
      over.addEventListener("pointerup", () => {
        over.removeEventListener("pointermove", move);
        row.input.dispatchEvent(new Event("change", { bubbles: true }));
      }, { once: true });
    });
  }
  const tables = () => document.querySelectorAll(".steps-table");
  function begin() {
    tables().forEach(show);
    new MutationObserver(() => tables().forEach(show))
      .observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });
    document.addEventListener("input", (event) => {
      const table = event.target.closest && event.target.closest(".steps-table");
      if (table) show(table);
    });
    document.addEventListener("change", (event) => {
      if (event.target.id === "f-program.base" || event.target.id === "f-program.days") {
        const button = document.getElementById("press-show");
        if (button) button.click();
      }
    });
    new MutationObserver(() => tables().forEach((table) => { if (!table.dataset.shown) { table.dataset.shown = "yes"; show(table); } }))
      .observe(document.getElementById("program-form"), { childList: true, subtree: true });
    tables().forEach((table) => { table.dataset.shown = "yes"; });
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin); else begin();
})();
