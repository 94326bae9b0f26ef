// For old phones, too: no modern syntax. Without this script the form still works, with a new page for each tap.
(function () {
  "use strict";
  var form = document.getElementById("form");
  var button = document.getElementById("tap");
  var answer = document.getElementById("answer");
  var waiting = false;

  function show(text, color) {
    answer.textContent = text;
    answer.style.borderLeftColor = color || "";
  }

  function done() {
    waiting = false;
    button.className = "";
    button.removeAttribute("aria-busy");
  }

  function read(request) {
    var result;
    try {
      result = JSON.parse(request.responseText);
    } catch (ignored) {
      result = {};
    }
    if (result.text) {
      show(result.text, result.color);
    } else {
      show("No answer. Is this phone still in the same network as the stage?");
    }
  }

  form.addEventListener("submit", function (event) {
    var request;
    event.preventDefault();
    if (waiting) {
      return;
    }
    waiting = true;
    button.className = "waits";
    button.setAttribute("aria-busy", "true");
    request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.timeout = 20000;
    request.onload = function () { done(); read(request); };
    request.onerror = request.ontimeout = function () { done(); read({ responseText: "" }); };
    request.send();
  });
}());
