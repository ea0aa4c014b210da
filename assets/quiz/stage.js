/* The stage: keys, the count of votes, and steps that leave the full screen as it is. */
(() => {
  const root = document.documentElement;
  const page = () => document.querySelector("main");
  const draw = async (answer) => {
    if (!answer.ok) return;
    page().replaceWith(new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main"));
  };
  const go = async (form) => draw(await fetch(location.href, { method: "POST", body: new URLSearchParams(new FormData(form)) }));
  const look = async () => {
    const answer = await fetch(`${location.pathname}/count`).catch(() => null);
    if (!answer?.ok) return;
    const { step, words } = await answer.json();
    if (String(step) !== page().dataset.step) await draw(await fetch(location.href));
    else if (page().querySelector(".voted")) page().querySelector(".voted").textContent = words;
  };
  document.addEventListener("submit", (event) => { event.preventDefault(); go(event.target); });
  document.addEventListener("keydown", (event) => {
    const form = page().querySelector("form"), { key } = event;
    if (event.repeat) return;
    if ([" ", "ArrowRight", "PageDown"].includes(key) && form) { event.preventDefault(); go(form); }
    if (key === "t") root.style.colorScheme = root.style.colorScheme === "dark" ? "light" : "dark";
    if (key === "f") document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen();
  });
  setInterval(look, 1000);
})();
