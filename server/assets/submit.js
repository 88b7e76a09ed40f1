// The form of this page goes on by itself. Without script the person presses its button.
document.querySelector("form[data-submit]").submit();
