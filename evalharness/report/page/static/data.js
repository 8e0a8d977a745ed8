"use strict";
// Loads data files. They are scripts that call `evalharness.receive`, because a page without a server may load scripts
// but not other files.
(function (app) {
  const CACHE_SIZE = 32; // chunks in memory; reading one more from the disk takes a few milliseconds
  const resolvers = new Map();
  const cache = new Map();

  app.receive = function (name, value) {
    const resolve = resolvers.get(name);
    if (resolve) resolve(value);
  };

  /** Returns a promise of the value of the data file `name`, such as "runs" or "a-run/sample3". */
  app.load = function (name) {
    if (cache.has(name)) {
      const promise = cache.get(name);
      cache.delete(name);
      cache.set(name, promise); // The most recently used are at the end.
      return promise;
    }
    const promise = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const onEnd = () => {
        script.remove();
        reject(new Error(`The file data/${name}.js is missing or damaged; write the report again.`));
      };
      script.src = `data/${name}.js`;
      script.onerror = onEnd;
      script.onload = onEnd; // This rejects nothing if the script has called `receive`.
      resolvers.set(name, resolve);
      document.head.append(script);
    });
    const forget = () => resolvers.delete(name);
    promise.then(forget, () => (forget(), cache.delete(name)));
    cache.set(name, promise);
    for (const oldest of cache.keys()) {
      if (cache.size <= CACHE_SIZE) break;
      cache.delete(oldest);
    }
    return promise;
  };
})(window.evalharness);
