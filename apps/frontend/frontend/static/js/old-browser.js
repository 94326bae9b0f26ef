// Runs only where the page's own modules cannot.
document.getElementById("old-browser").hidden = false;
