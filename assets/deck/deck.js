/* The talk: keys, theme, charts, what is dragged, and the speaker's window. Everything it shows is in this file. */
(() => {
  const asked = new URLSearchParams(location.search);
  const root = document.documentElement;
  const still = { staticPlot: true, displayModeBar: false };
  const INKS = { light: "#1b2430", dark: "#e6eaf0" };
  const charts = [...document.querySelectorAll(".chart")].map((place) => ({
    place, figure: JSON.parse(place.querySelector("script").textContent),
  }));
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function template() {
    const colours = getComputedStyle(root);
    const of = (name) => colours.getPropertyValue(name).trim();
    const axis = { gridcolor: of("--line"), linecolor: of("--line"), zerolinecolor: of("--line"), tickangle: 0, ticklabelstandoff: 5 };
    const font = { color: of("--ink"), family: getComputedStyle(document.querySelector(".reveal")).fontFamily, size: 13 };
    return { layout: { font, xaxis: axis, yaxis: axis, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" } };
  }

  /* Intervals lie on the ground as on the bars, so their ink is the theme's. */
  function inked(figure, theme) {
    return JSON.parse(JSON.stringify(figure).replaceAll(INKS.light, INKS[theme]));
  }

  function drawn(theme) {
    root.dataset.theme = theme;
    const look = template();
    return Promise.all(charts.map(({ place, figure }) => {
      const { data, layout } = inked(figure, theme);
      return Plotly.react(place, data, { ...layout, template: look }, still);
    })).then(() => document.querySelectorAll(".drag").forEach(at));
  }

  /* One strength of an axis that is dragged. */
  function at(drag) {
    const facts = JSON.parse(drag.querySelector("script.frames").textContent);
    const i = Number(drag.querySelector("input").value);
    drag.querySelectorAll(".frame").forEach((frame, place) => { frame.hidden = place !== i; });
    drag.querySelector("output").textContent = `${facts.strengths[i]} ${facts.unit}`;
    drag.querySelectorAll(".said").forEach((line, place) => { line.textContent = facts.answers[place][i]; });
    const x = facts.strengths[i];
    const here = { type: "line", xref: "x", yref: "paper", x0: x, x1: x, y0: 0, y1: 1, name: "here",
      line: { color: getComputedStyle(root).getPropertyValue("--ink").trim(), width: 1.5 } };
    const chart = drag.querySelector(".chart");
    const others = (chart.layout.shapes || []).filter((shape) => shape.name !== "here");
    Plotly.relayout(chart, { shapes: [...others, here] });
  }

  function step(by) {
    const input = Reveal.getCurrentSlide()?.querySelector(".drag input");
    if (!input) return;
    input.value = Number(input.value) + by;
    at(input.closest(".drag"));
  }

  /* Scenes that ask, where a server counts votes: the stage of the quiz stands over them, step by step. */
  const quiz = location.protocol.startsWith("http") && !asked.has("receiver") && asked.get("quiz");
  const stage = quiz ? document.createElement("iframe") : null;
  const last = document.querySelectorAll("[data-question]").length - 1;
  const question = () => Number(Reveal.getCurrentSlide()?.dataset.question ?? -1);
  const staged = () => stage?.contentDocument?.querySelector("main[data-step]");
  if (stage) {
    const place = new URL(`../quiz/${encodeURIComponent(quiz)}/stage`, location.href);
    if (asked.has("key")) place.searchParams.set("key", asked.get("key"));
    asked.delete("key");  // which a projector would show, and the frame keeps as its cookie
    history.replaceState(null, "", `?${asked}${location.hash}`);
    Object.assign(stage, { className: "stage-frame", title: "The vote", hidden: true, src: place.href });
    document.body.append(stage);
    document.querySelectorAll("[data-question] .fragment").forEach((it) => it.classList.remove("fragment"));
    stage.addEventListener("load", seen);
  }

  function lead() {
    staged()?.querySelector("form")?.requestSubmit();
  }

  function seen() {
    if (!stage) return;
    const here = question();
    stage.hidden = here < 0 || !staged();
    if (staged()) stage.contentDocument.documentElement.style.colorScheme = root.dataset.theme;
    if (here > 0 && Number(staged()?.dataset.step) === 2 * here) lead();  // the one before is over: this one opens
  }

  /* Right arrow or space: the next step of the vote, and after its last one the next scene. */
  function onward() {
    const here = question(), step = Number(staged()?.dataset.step);
    const until = 2 * here + 2 + (here === last && last > 0 ? 1 : 0);
    if (here >= 0 && step < until) lead();
    else Reveal.next();
  }

  function end() {
    if (Reveal.isPaused()) Reveal.togglePause(false);
    if (document.fullscreenElement) document.exitFullscreen();
    Reveal.slide(Reveal.getTotalSlides() - 1);
  }

  document.querySelectorAll(".drag input").forEach((input) => {
    input.addEventListener("input", () => at(input.closest(".drag")));
    input.addEventListener("change", () => input.blur());  // the arrows are the talk's again
  });

  const own = { light: "light", dark: "dark" }[asked.get("theme")];
  const receives = asked.has("receiver");
  const here = location.href.split(/[?#]/)[0];
  const turn = () => drawn(root.dataset.theme === "dark" ? "light" : "dark").then(seen);
  const keyboard = { 27: end, 190: end, 110: end, 39: onward, 32: onward, 34: onward, 38: () => step(-1), 40: () => step(1), 84: turn };
  root.dataset.theme = own || (dark.matches ? "dark" : "light");
  Reveal.initialize({
    width: 1920, height: 1080, margin: 0, minScale: 0.05, maxScale: 4, center: false, transition: "none",
    backgroundTransition: "none", viewDistance: 999, mobileViewDistance: 999, controls: false, progress: true,
    slideNumber: "c/t", hash: location.protocol !== "about:" && !receives, overview: false, keyboard, help: false,
    url: `${here}?theme=${own || ""}`, plugins: [RevealNotes],
  }).then(() => drawn(root.dataset.theme)).then(() => {
    Reveal.on("slidechanged", seen);
    seen();
    root.dataset.ready = "yes";
    window.focus();
  });
  if (!own) dark.addEventListener("change", () => drawn(dark.matches ? "dark" : "light"));
  let before = null;
  addEventListener("beforeprint", () => { before = root.dataset.theme; drawn("light"); });
  addEventListener("afterprint", () => drawn(before));
})();
