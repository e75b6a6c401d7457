// Preloaded into servers that would listen on every address of the machine: they listen on this machine only, and tell
// their port in one line of JSON.
import net from "node:net";

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  const done = rest.find((argument) => typeof argument === "function");
  this.once("listening", () => process.stdout.write(`${JSON.stringify({ port: this.address().port })}\n`));
  return listen.call(this, { port: Number(port), host: "127.0.0.1" }, done);
};
