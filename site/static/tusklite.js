// What scrolls sideways can be reached by the keyboard.
for (const frame of document.querySelectorAll("div.highlight pre, div.output pre, .pst-scrollable-table-container, div.math, mjx-container[display]")) {
  if (!frame.hasAttribute("tabindex")) frame.setAttribute("tabindex", "0");
}
