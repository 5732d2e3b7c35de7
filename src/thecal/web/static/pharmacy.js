// The field for the scanner has the focus when the page opens. Without scripts one tabs to it.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const field = document.getElementById("f-code");
  if (field) field.focus();
});
