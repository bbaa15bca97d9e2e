// Before the first paint: the theme that was chosen here. Without one it is the system's.
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // A browser that keeps nothing for this page: the system's theme.
}
