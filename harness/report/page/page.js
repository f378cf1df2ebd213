// page.js - sorting, filtering and light or dark. Without it the page shows everything.
"use strict";
(() => {
    const root = document.documentElement, button = document.getElementById("theme");
    const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; });

    // Numbers stand in data-v and what is unknown sorts last; texts compare so that d64 comes before d128.
    const text = new Intl.Collator("en", { numeric: true });
    const value = (row, column) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
    for (const table of document.querySelectorAll("table.sorts")) {
        const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
        heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
            const numeric = head.classList.contains("n"), now = head.getAttribute("aria-sort");
            const descending = now ? now === "ascending" : numeric;
            heads.forEach(other => other.removeAttribute("aria-sort"));
            head.setAttribute("aria-sort", descending ? "descending" : "ascending");
            const order = (a, b) => {
                const x = value(a, column), y = value(b, column);
                if (numeric && (x === "" || y === ""))
                    return (x === "") - (y === "");
                return (descending ? -1 : 1) * (numeric ? x - y : text.compare(x, y));
            };
            body.append(...[...body.rows].sort(order));
        }));
    }

    const latest = document.getElementById("only-latest");
    for (const bar of document.querySelectorAll(".bar")) {
        const table = document.getElementById(bar.dataset.table), rows = [...table.tBodies[0].rows];
        const input = bar.querySelector("input"), selects = [...bar.querySelectorAll("select")], output = bar.querySelector("output");
        const words = new Map(rows.map(row => [row, row.textContent.toLowerCase().replace(/\u200b/g, "")]));
        for (const select of selects) {
            const known = [...new Set(rows.map(row => row.dataset[select.dataset.key]))].sort(text.compare);
            select.append(...known.map(name => new Option(name || "none", name)));
            select.parentElement.hidden = known.length < 2;
            if (known.length < 2)
                select.parentElement.style.display = "none";
        }
        const apply = () => {
            const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
            let shown = 0;
            for (const row of rows) {
                row.hidden = !wanted.every(word => words.get(row).includes(word)) ||
                    !selects.every(select => select.value === "" || row.dataset[select.dataset.key] === select.value) ||
                    (table.id === "t-all" && latest.checked && !("latest" in row.dataset));
                shown += !row.hidden;
            }
            output.textContent = `${shown} of ${rows.length} rows`;
        };
        bar.addEventListener("input", apply);
        if (table.id === "t-all")
            latest.addEventListener("change", apply);
        apply();
    }
})();
