#include "page/assets.hpp"

#include <cstdint>

#include "base/sha256.hpp"

namespace memoir::page {

// Colours are named by what they say. Sizes follow the reader's own font size.
const std::string_view style = R"css(
:root {
  color-scheme: light dark;
  --back: #f6f7f9; --card: #fff; --line: #dfe3e8; --text: #1c2330; --dim: #5c6675;
  --good: #1a7f43; --warn: #975a00; --bad: #c0262d; --busy: #1f62c4;
  --good-back: #e3f5e9; --warn-back: #fdf0d5; --bad-back: #fde7e7; --busy-back: #e4eefc;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #12161d; --card: #1a202a; --line: #2d3644; --text: #e4e9f0; --dim: #98a4b5;
    --good: #5fd08a; --warn: #f0b357; --bad: #ff8a85; --busy: #7fb2ff;
    --good-back: #16301f; --warn-back: #36280f; --bad-back: #3b1c1e; --busy-back: #172945;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 76rem; padding: 1.25rem 1rem 3rem; background: var(--back); color: var(--text);
  font: 0.9375rem/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  overflow-wrap: anywhere;
}
header { display: flex; flex-wrap: wrap; gap: 0.25rem 0.75rem; align-items: center; margin-bottom: 1rem; }
h1 { font-size: 1.375rem; margin: 0; }
h2 { font-size: 1rem; margin: 1.75rem 0 0.5rem; }
h2 small, .dim { color: var(--dim); font-weight: normal; }
small { font-size: 0.8125rem; }
header p { margin: 0; flex-basis: 100%; color: var(--dim); }
code, .id { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 0.875em; }
.tag {
  display: inline-block; padding: 0.05rem 0.55rem; border-radius: 1rem; font-size: 0.8125rem;
  font-weight: 600; white-space: nowrap; background: var(--line);
}
.good { background: var(--good-back); color: var(--good); }
.warn { background: var(--warn-back); color: var(--warn); }
.bad { background: var(--bad-back); color: var(--bad); }
.busy { background: var(--busy-back); color: var(--busy); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem; }
.grid { display: grid; gap: 0.6rem; grid-template-columns: repeat(8, 1fr); }
.tile { padding: 0.5rem 0.75rem; }
.tile b { display: block; font-size: 1.25rem; font-weight: 650; line-height: 1.3; }
.tile span { color: var(--dim); font-size: 0.8125rem; }
.tile.bad, .tile.bad span { color: var(--bad); }
.wide { grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); }
.box { padding: 0.6rem 0.85rem; }
.box > p { margin: 0.3rem 0 0; }
.box .head { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; margin: 0; }
.box .head b { flex: 1; }
progress { width: 100%; height: 0.45rem; margin-top: 0.45rem; display: block; accent-color: var(--busy); }
.notes { list-style: none; margin: 0; padding: 0; }
.notes li { padding: 0.45rem 0.85rem; border-radius: 0.5rem; margin-bottom: 0.4rem; }
.hint { display: block; color: var(--text); }
.hint::before { content: "HINT: "; font-weight: 650; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.4rem 0.75rem; text-align: left; border-top: 1px solid var(--line); vertical-align: top; }
thead th { border-top: 0; color: var(--dim); font-weight: normal; font-size: 0.8125rem; }
tbody th { font-weight: 600; }
.kinds th { overflow-wrap: normal; }
.n { text-align: right; white-space: nowrap; }
a { color: var(--busy); }
td.bad, td.warn { background: none; font-weight: 650; }
.zero { color: var(--dim); }
.none { padding: 0.6rem 0.85rem; margin: 0; color: var(--dim); }
.events { list-style: none; margin: 0; padding: 0; }
.events li {
  display: grid; grid-template-columns: 5.5rem 5.25rem 1fr; gap: 0 0.75rem; align-items: baseline;
  padding: 0.45rem 0.85rem; border-top: 1px solid var(--line);
}
.events li:first-child { border-top: 0; }
.events time { color: var(--dim); font-variant-numeric: tabular-nums; font-size: 0.8125rem; }
.events .fields { color: var(--dim); font-size: 0.8125rem; }
.fields span { margin-right: 0.75rem; display: inline-block; }
footer { margin-top: 1.5rem; color: var(--dim); font-size: 0.8125rem; }
#stale { display: none; padding: 0.5rem 0.85rem; border-radius: 0.5rem; margin: 0 0 1rem; }
[data-stale] #stale { display: block; }
[data-stale] main { opacity: 0.55; }
@media (max-width: 42rem) {
  body { padding: 0.85rem 0.6rem 2rem; }
  .grid { grid-template-columns: repeat(4, 1fr); gap: 0.4rem; }
  .grid.wide { grid-template-columns: 1fr; }
  .tile { padding: 0.35rem 0.5rem; }
  .tile b { font-size: 1.125rem; }
  .kinds th, .kinds td { padding: 0.35rem 0.3rem; font-size: 0.8125rem; }
  .kinds thead th { font-size: 0.75rem; }
  .kinds small { font-size: 0.75rem; }
  .kinds th:first-child { padding-left: 0.7rem; }
  .kinds .n:last-child { padding-right: 0.7rem; }
  .work thead { display: none; }
  .work tr {
    display: grid; grid-template-columns: auto 1fr auto; gap: 0 0.75rem; padding: 0.4rem 0.7rem;
    border-top: 1px solid var(--line); align-items: baseline;
  }
  .work tr:first-child { border-top: 0; }
  .work td { border: 0; padding: 0; grid-row: 1; }
  .work td:nth-child(3) { grid-row: 2; grid-column: 1 / 3; }
  .work td:nth-child(4) { grid-row: 2; grid-column: 3; text-align: right; color: var(--dim); }
  .work td:nth-child(5) { grid-column: 3; }
  .work .more td { grid-column: 1 / -1; }
  .events li { grid-template-columns: auto 1fr; }
  .events li > div { grid-column: 1 / -1; }
}
)css";

// Fetches the page every five seconds and replaces its <main>: nothing jumps, and a selection is kept.
// Fetches nothing while the page is hidden. Without scripts the page reloads itself instead.
const std::string_view script = R"js(
(() => {
  const root = document.documentElement;
  let refreshed = 0;
  const refresh = async () => {
    const selected = getSelection();
    if (!document.hidden && !(selected && !selected.isCollapsed)) {
      try {
        const reply = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(10000) });
        if (!reply.ok) throw new Error(reply.status);
        const next = new DOMParser().parseFromString(await reply.text(), "text/html");
        document.querySelector("main").replaceWith(next.querySelector("main"));
        document.title = next.title;
        root.dataset.refreshed = ++refreshed;
        delete root.dataset.stale;
      } catch {
        root.dataset.stale = "";
      }
    }
    setTimeout(refresh, 5000);
  };
  setTimeout(refresh, 5000);
})();
)js";

std::string csp_hash(std::string_view text) {
    static constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const std::string hex = sha256(text);
    std::string out;
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : hex) {
        bits = bits << 4 | static_cast<std::uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10);
        count += 4;
        if (count < 6) continue;
        count -= 6;
        out += digits[bits >> count & 63];
    }
    if (count > 0) out += digits[bits << (6 - count) & 63];
    while (out.size() % 4 != 0) out += '=';
    return out;
}

std::vector<std::pair<std::string, std::string>> headers() {
    static const std::string policy =
        "default-src 'none'; style-src 'sha256-" + csp_hash(style) + "'; script-src 'sha256-" +
        csp_hash(script) +
        "'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    return {{"Content-Security-Policy", policy},
            {"Cross-Origin-Resource-Policy", "same-origin"},
            {"Cross-Origin-Opener-Policy", "same-origin"},
            {"Referrer-Policy", "no-referrer"}};
}

}  // namespace memoir::page
