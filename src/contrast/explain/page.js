"use strict";
(() => {
  const items = [...document.querySelectorAll("#mistakes-gallery > li")];
  const controls = document.getElementById("mistakes-controls");
  if (!items.length || !controls) return;
  controls.hidden = false;
  // A page of several arms lets the reader choose one of them, too.
  const choices = ["arm", "true", "predicted"].map((name) => [name, document.getElementById("only-" + name)]).filter(([, field]) => field);
  const count = document.getElementById("mistakes-count");
  const fields = items.map((item) => item.querySelector("input"));
  let unsaved = false;
  const show = () => {
    let left = 0;
    items.forEach((item) => {
      item.hidden = choices.some(([name, field]) => field.value && !item.dataset[name].split(" ").includes(field.value));
      left += item.hidden ? 0 : 1;
    });
    const tagged = fields.filter((field) => field.value.trim()).length;
    count.textContent = `${left} of ${items.length} shown, ${tagged} tagged`;
  };
  // A cell that begins like a formula would be run by a spreadsheet; the apostrophe keeps it text.
  const cell = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? "'" + text : text).replaceAll('"', '""')}"`;
  const save = () => {
    const rows = [["id", "true", "predicted", "confidence", "cause"]];
    items.forEach((item, at) => {
      const cause = fields[at].value.trim();
      if (cause) rows.push([item.dataset.id, item.dataset.trueName, item.dataset.predictedName, item.dataset.confidence, cause]);
    });
    // The mark at the beginning tells a spreadsheet that the text is UTF-8.
    const file = new Blob(["\ufeff", rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n"], { type: "text/csv;charset=utf-8" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = "causes.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    unsaved = false;
  };
  choices.forEach(([, field]) => field.addEventListener("change", show));
  fields.forEach((field) => field.addEventListener("input", () => { unsaved = true; show(); }));
  document.getElementById("save-causes").addEventListener("click", save);
  addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
  show();
})();
