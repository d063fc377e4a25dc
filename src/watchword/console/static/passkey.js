// The passkey ceremony: ask the browser, put its answer into the form, send the form. Nothing else here thinks.
"use strict";

(() => {
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const bytes = (text) => {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  };

  const text = (buffer) => {
    let plain = "";
    for (const byte of new Uint8Array(buffer)) plain += String.fromCharCode(byte);
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };

  // The browser's own reader where it has one; Safari before 18.4 and others have none.
  const readOptions = (purpose, json) => {
    const own = purpose === "create" ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON";
    if (PublicKeyCredential[own]) return PublicKeyCredential[own](json);
    const withBytes = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));
    const options = { ...json, challenge: bytes(json.challenge) };
    if (json.user) options.user = { ...json.user, id: bytes(json.user.id) };
    if (json.excludeCredentials) options.excludeCredentials = withBytes(json.excludeCredentials);
    if (json.allowCredentials) options.allowCredentials = withBytes(json.allowCredentials);
    return options;
  };

  const writeAnswer = (credential) => {
    const response = {};
    for (const name of ["clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject"]) {
      if (credential.response[name]) response[name] = text(credential.response[name]);
    }
    return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
  };

  const trouble = {
    NotAllowedError: "Nothing was chosen, or it took too long. Try again, or use another way.",
    InvalidStateError: "This device already holds a passkey for this account.",
    SecurityError: "Passkeys cannot be used under this address.",
    NotSupportedError: "This device cannot make a passkey that fits.",
    ConstraintError: "This device cannot confirm that it is you. Set up a screen lock, or use another way.",
  };

  let waiting = null;

  const ceremony = async (form, mediation) => {
    const purpose = form.dataset.passkey;
    const controller = new AbortController();
    waiting?.abort();
    waiting = controller;
    const argument = { publicKey: readOptions(purpose, JSON.parse(form.dataset.options)), signal: controller.signal };
    if (mediation) argument.mediation = mediation;
    const credential = await navigator.credentials[purpose](argument);
    form.elements.credential.value = writeAnswer(credential);
    HTMLFormElement.prototype.submit.call(form);
  };

  const say = (form, words) => {
    form.querySelector("[data-passkey-status]").textContent = words;
  };

  const begin = (form) => {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("button");
      button.disabled = true;
      say(form, "Waiting for your passkey.");
      try {
        await ceremony(form);
        say(form, "Thank you. One moment.");
      } catch (error) {
        if (error.name !== "AbortError") say(form, trouble[error.name] || "The passkey did not work. Try again.");
        button.disabled = false;
        button.focus();
      }
    });
  };

  const autofill = async (form) => {
    if (!PublicKeyCredential.isConditionalMediationAvailable) return;
    if (!(await PublicKeyCredential.isConditionalMediationAvailable())) return;
    try {
      await ceremony(form, "conditional");
    } catch (error) {
      // Left waiting, overtaken by the button, or not wanted: the page offers every other way.
      if (error.name !== "AbortError" && error.name !== "NotAllowedError") say(form, "");
    }
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    begin(form);
    if ("conditional" in form.dataset) autofill(form);
  }
  for (const rule of document.querySelectorAll(".passkey-rule")) rule.hidden = false;
})();
