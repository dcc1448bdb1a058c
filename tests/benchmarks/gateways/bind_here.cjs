// Portkey's gateway listens at every address and has no option for another: whoever listens at a
// port does so at this machine's own address only. Nothing else is changed.
"use strict";

const net = require("node:net");

const HERE = "127.0.0.1";
const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (first, ...rest) {
  if (typeof first === "object" && first !== null && "port" in first) {
    return listen.call(this, { ...first, host: HERE }, ...rest);
  }
  if (typeof first === "number" || (typeof first === "string" && /^\d+$/.test(first))) {
    return listen.call(this, Number(first), HERE, ...rest.filter((of) => typeof of === "function"));
  }
  return listen.call(this, first, ...rest);
};
