// A file whose content goes into a text field. Without script the field alone is shown, and whoever has the
// text pastes it.
for (const part of document.querySelectorAll("[data-file-text]")) {
  const field = document.getElementById(part.dataset.fileText);
  const chooser = part.querySelector("input[type=file]");
  part.hidden = false;
  chooser.addEventListener("change", async () => {
    const [file] = chooser.files;
    // What is longer than the field takes is none of what is asked for.
    if (!file || file.size > field.maxLength) {
      chooser.value = "";
      field.value = "";
      return;
    }
    const octets = new Uint8Array(await file.arrayBuffer());
    const text = new TextDecoder().decode(octets);
    field.value = text.includes("-----BEGIN ") ? text : base64(octets, text);
    field.focus();
  });
}

// DER begins with a SEQUENCE of more than 127 octets; anything else is text already.
function base64(octets, text) {
  if (octets[0] !== 0x30 || octets[1] < 0x80) { return text.trim(); }
  return btoa(Array.from(octets, (octet) => String.fromCharCode(octet)).join(""));
}
