"use strict";
(() => {
  const downloads = JSON.parse(document.getElementById("contrast-downloads").textContent);
  for (const button of document.querySelectorAll("button[data-csv]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      // The mark at the beginning tells a spreadsheet that the text is UTF-8.
      const file = new Blob(["\ufeff", downloads[button.dataset.csv]], { type: "text/csv;charset=utf-8" });
      const link = document.createElement("a");
      link.href = URL.createObjectURL(file);
      link.download = button.dataset.csv + ".csv";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }
  const field = document.getElementById("filter");
  const rows = [...document.querySelectorAll("#runs-table tbody tr")];
  const words = rows.map((row) => row.textContent.toLowerCase());
  const count = document.getElementById("filter-count");
  const filter = () => {
    const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    rows.forEach((row, i) => {
      row.hidden = !wanted.every((word) => words[i].includes(word));
      left += row.hidden ? 0 : 1;
    });
    count.textContent = `${left} of ${rows.length}`;
  };
  if (field) {
    field.closest(".filter").hidden = false;
    field.addEventListener("input", filter);
    filter();
  }
})();
