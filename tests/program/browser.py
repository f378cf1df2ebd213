"""browser.py PAGE [PICTURES] - the report in a real browser, without a head: nothing on the console, nothing fetched, filters and sorting
work, nothing sticks out of the page on a desk or a phone, in light and dark. With a folder PICTURES, a screenshot of each is left there.

Exit codes: 0 sound, 1 not, 77 (skipped) where Chromium, its driver or Selenium is missing.
"""
import pathlib
import shutil
import sys

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
except ImportError:
    print("skipped: python3 has no Selenium (Debian: python3-selenium)")
    sys.exit(77)

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
if not BROWSER or not DRIVER:
    print("skipped: no Chromium with chromedriver here (Debian: chromium chromium-driver)")
    sys.exit(77)

SIZES = {"desk": (1280, 900, 1), "phone": (390, 844, 2)}


def open_browser():
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(service=Service(DRIVER), options=options)


class Page:
    def __init__(self, browser, url):
        self.browser, self.url, self.faults, self.checks = browser, url, [], 0

    def check(self, what, holds, detail=""):
        self.checks += 1
        if not holds:
            self.faults.append(f"{what} {detail}".rstrip())

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def dress(self, size, scheme):
        width, height, scale = SIZES[size]
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                     {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": size == "phone"})
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def requests(self):
        """What the page asked for, beside itself and what it carries in itself."""
        import json
        urls = []
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                urls.append(message["params"]["request"]["url"])
        own = [url for url in urls if url == self.url]
        return own, [url for url in urls if url != self.url and not url.startswith("data:")]

    def rows(self, table):
        return self.run("return [...document.getElementById(arguments[0]).tBodies[0].rows]"
                        ".filter(r => !r.hidden && r.offsetHeight > 0).length", table)

    def column(self, table, number):
        return self.run("return [...document.getElementById(arguments[0]).tBodies[0].rows].filter(r => !r.hidden)"
                        ".map(r => r.cells[arguments[1]].dataset.v ?? r.cells[arguments[1]].textContent.trim())", table, number)


def looks(page, pictures):
    """Layout and colours at each size and in both schemes."""
    papers = {}
    for size in SIZES:
        for scheme in ("light", "dark"):
            page.dress(size, scheme)
            wide, room = page.run("return document.documentElement.scrollWidth"), SIZES[size][0]
            page.check(f"{size}: the page is wider than the window:", wide <= room, f"{wide} > {room}")
            small = page.run("return [...document.querySelectorAll('figure svg text')].map(t => t.getBoundingClientRect().height)"
                             ".filter(h => h > 0 && h < 7).length")
            page.check(f"{size}: texts in pictures too small to read:", small == 0, str(small))
            papers[scheme] = page.run("return getComputedStyle(document.body).backgroundColor")
            inks = page.run("return [...document.querySelectorAll('svg text')].filter(t => { const f = getComputedStyle(t).fill;"
                            " return f === 'rgb(0, 0, 0)' || f === getComputedStyle(document.body).backgroundColor; }).length")
            page.check(f"{scheme}: texts in pictures without a colour of the page:", inks == 0, str(inks))
            if pictures:
                height = page.run("return document.documentElement.scrollHeight")
                width, _, scale = SIZES[size]
                page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                             {"width": width, "height": min(height, 16000 // scale), "deviceScaleFactor": scale,
                                              "mobile": size == "phone"})
                page.browser.save_screenshot(str(pictures / f"{size}-{scheme}.png"))
    page.check("light and dark have the same paper:", papers["light"] != papers["dark"], str(papers))


def theme(page):
    page.dress("desk", "light")
    before = page.run("return getComputedStyle(document.body).backgroundColor")
    page.browser.find_element(By.ID, "theme").click()
    after = page.run("return getComputedStyle(document.body).backgroundColor")
    page.check("the button does not change light to dark", before != after)
    page.browser.find_element(By.ID, "theme").click()
    page.check("the button does not change back", page.run("return getComputedStyle(document.body).backgroundColor") == before)


CLICKS = """
const table = document.getElementById(arguments[0]), heads = [...table.tHead.rows[0].cells];
const column = n => [...table.tBodies[0].rows].map(row => row.cells[n].dataset.v ?? row.cells[n].textContent.trim());
return heads.map((head, n) => ({numeric: head.classList.contains("n"), before: column(n), after: [0, 1].map(() => {
    head.firstElementChild.click();
    return {direction: head.getAttribute("aria-sort"), cells: column(n)};
})}));
"""


def sorting(page):
    """Each heading of each table is clicked twice."""
    for table in page.run("return [...document.querySelectorAll('table.sorts[id]')].map(t => t.id)"):
        for number, column in enumerate(page.run(CLICKS, table)):
            place = f"{table}, column {number}:"
            first, second = column["after"]
            page.check(f"{place} two clicks sort the same way", {first["direction"], second["direction"]} == {"ascending", "descending"})
            for click in column["after"]:
                cells = click["cells"]
                page.check(f"{place} sorting loses rows", sorted(cells) == sorted(column["before"]))
                if column["numeric"]:
                    known = [float(cell) for cell in cells if cell != ""]
                    wanted = sorted(known, reverse=click["direction"] == "descending")
                    page.check(f"{place} is not {click['direction']}", known == wanted, str(known[:9]))
                    page.check(f"{place} unknown figures stand among known ones", "" not in cells[:len(known)])
            if not column["numeric"]:
                unique = len(set(first["cells"])) == len(first["cells"])
                page.check(f"{place} does not turn round", not unique or first["cells"] == second["cells"][::-1])
                page.check(f"{place} the ends are the same", len(set(first["cells"])) < 2 or first["cells"][0] != second["cells"][0])


def filters(page):
    every = page.rows("t-all")
    box = page.browser.find_element(By.CSS_SELECTOR, '.bar[data-table="t-all"] input')
    output = page.browser.find_element(By.CSS_SELECTOR, '.bar[data-table="t-all"] output')
    name = page.column("t-all", 0)[0]
    texts = page.run("return [...document.querySelectorAll('#t-all tbody tr')].filter(r => !r.hidden).map(r => r.textContent.toLowerCase())")
    expected = sum(name.lower() in row for row in texts)
    box.send_keys(name)
    page.check("the filter shows other rows than those that hold its word", page.rows("t-all") == expected and 0 < expected <= every,
               f"{page.rows('t-all')} of {every}, expected {expected}")
    page.check("the count beside the filter is wrong", output.text.startswith(f"{expected} of "), output.text)
    box.clear()
    box.send_keys("no-such-kernel")
    page.check("a word that is nowhere leaves rows", page.rows("t-all") == 0)
    box.clear()
    box.send_keys(" ")
    page.check("a cleared filter does not show all rows again", page.rows("t-all") == every)
    page.run("const s = document.querySelector('.bar[data-table=\"t-all\"] select[data-key=\"isa\"]'); s.selectedIndex = 1;"
             "s.dispatchEvent(new Event('input', {bubbles: true}))")
    isa = page.run("return document.querySelector('.bar[data-table=\"t-all\"] select[data-key=\"isa\"]').value")
    shown = page.run("return [...document.querySelectorAll('#t-all tbody tr')].filter(r => !r.hidden).map(r => r.dataset.isa)")
    page.check("choosing an instruction set shows others", shown and set(shown) == {isa}, str(set(shown)))
    page.run("const s = document.querySelector('.bar[data-table=\"t-all\"] select[data-key=\"isa\"]'); s.selectedIndex = 0;"
             "s.dispatchEvent(new Event('input', {bubbles: true}))")
    page.run("document.getElementById('only-latest').click()")
    total = page.run("return document.querySelectorAll('#t-all tbody tr').length")
    page.check("with older ones too, not all rows are shown", page.rows("t-all") == total >= every, f"{page.rows('t-all')} of {total}")


SELECTIONS = """
const found = [];
for (const bar of document.querySelectorAll(".bar")) {
    const rows = [...document.getElementById(bar.dataset.table).tBodies[0].rows], output = bar.querySelector("output");
    const choose = (select, value) => { select.value = value; select.dispatchEvent(new Event("input", {bubbles: true})); };
    for (const select of bar.querySelectorAll("select")) {
        const key = select.dataset.key, seen = new Set(rows.map(row => row.dataset[key]));
        if (rows.some(row => row.dataset[key] === undefined))
            found.push(`${bar.dataset.table}: rows without ${key}`);
        if (select.options.length !== seen.size + 1)
            found.push(`${bar.dataset.table}, ${key}: ${select.options.length} options for ${seen.size} values`);
        const all = rows.filter(row => !row.hidden);
        for (const option of [...select.options].slice(1)) {
            choose(select, option.value);
            const shown = rows.filter(row => !row.hidden), wanted = all.filter(row => row.dataset[key] === option.value);
            if (shown.length !== wanted.length || shown.some((row, at) => row !== wanted[at]))
                found.push(`${bar.dataset.table}, ${key} ${option.value}: ${shown.length} rows, expected ${wanted.length}`);
            if (output.textContent !== `${shown.length} of ${rows.length} rows`)
                found.push(`${bar.dataset.table}, ${key} ${option.value}: says ${output.textContent}`);
        }
        choose(select, "");
    }
}
return found;
"""


def selections(page):
    """Each choice of each filter shows its own rows and no others."""
    found = page.run(SELECTIONS)
    page.check("choosing in a filter:", not found, "; ".join(found))


def sections(page):
    """Every section has a place in the list at the top, and each such place a section with something in it."""
    links = page.run("return [...document.querySelectorAll('nav a')].map(a => a.getAttribute('href'))")
    ids = page.run("return [...document.querySelectorAll('main > section')].map(s => '#' + s.id)")
    page.check("links at the top and sections differ:", links == ids, f"{links} {ids}")
    hollow = page.run("return [...document.querySelectorAll('main > section')].filter("
                      "s => !s.querySelector('dl, tbody tr, figure, .none')).map(s => s.id)")
    page.check("sections without anything:", not hollow, str(hollow))


def main():
    url = pathlib.Path(sys.argv[1]).resolve().as_uri()
    pictures = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    browser = open_browser()
    try:
        page = Page(browser, url)
        page.dress("desk", "light")
        browser.get(url)
        page.check("the page has no title", browser.title != "")
        measured = page.run("return document.getElementById('t-all') !== null")  # else only of micro-benchmarks, builds and the like
        page.check("there is no picture", not measured or page.run("return document.querySelectorAll('figure svg path').length") > 0)
        sections(page)
        looks(page, pictures)
        theme(page)
        sorting(page)
        if measured:
            filters(page)
        selections(page)
        own, foreign = page.requests()
        page.check("the page was not seen being loaded, so nothing is known of its requests", own)
        page.check("the page asks for", not foreign, str(foreign))
        console = [entry["message"] for entry in browser.get_log("browser")]
        page.check("the console says", not console, str(console))
    finally:
        browser.quit()
    for fault in page.faults:
        print("FAILED:", fault)
    print(f"{page.checks} checks in {pathlib.Path(BROWSER).name}, {len(page.faults)} failed")
    return 1 if page.faults else 0


sys.exit(main())
