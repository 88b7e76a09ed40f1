// Buttons that print the page. Without script they stay hidden, and the page says how to print.
for (const button of document.querySelectorAll("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
