// Buttons that copy the text of a field. Without script, or without permission, the field itself
// can be selected: the button stays hidden or the text becomes the selection.
for (const button of document.querySelectorAll("button[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  const said = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    field.focus();
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = button.dataset.copied;
      setTimeout(() => { button.textContent = said; }, 4000);
    } catch {
      // The text is selected: the keyboard copies it.
    }
  });
}
