// Passkeys: the server asks, the device answers, and the answer goes back in an ordinary form.
"use strict";
const told = (form, text) => { form.querySelector("[role=status]").textContent = text; };
const asked = async (form) => {
  const password = form.querySelector("[data-password]");
  const body = new URLSearchParams(password ? { password: password.value } : {});
  const answer = await fetch(form.dataset.options, { method: "POST", body, credentials: "same-origin" });
  const options = await answer.json();
  if (!answer.ok) { throw new Error(options.message); }
  return options;
};
const answered = async (form) => {
  const options = await asked(form);
  return form.dataset.passkey === "create"
    ? navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
    : navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
};
const send = async (form) => {
  try {
    told(form, "");
    const credential = await answered(form);
    form.elements.answer.value = JSON.stringify(credential.toJSON());
    form.submit();
  } catch (error) {
    const given_up = error.name === "NotAllowedError" || error.name === "AbortError";
    told(form, given_up ? "Nothing came from the device. Try again, or sign in with your password." : error.message);
  }
};
if (window.PublicKeyCredential && PublicKeyCredential.parseCreationOptionsFromJSON) {
  for (const form of document.querySelectorAll("[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => { event.preventDefault(); send(form); });
  }
}
