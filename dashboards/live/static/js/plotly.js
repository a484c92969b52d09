// Plotly is large: it is fetched once the page is in use.
let coming = null;

export function plotly() {
  coming ??= new Promise((done) => {
    const script = document.createElement("script");
    script.src = "/plotly.js";
    script.onload = () => done(window.Plotly);
    document.head.append(script);
  });
  return coming;
}

export const LAYOUT = {
  margin: { l: 52, r: 12, t: 8, b: 28 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: "#22292e", size: 12 },
  xaxis: { gridcolor: "#c6cbce" }, yaxis: { gridcolor: "#c6cbce", zerolinecolor: "#a9b0b5" }, legend: { orientation: "h", y: -0.12 },
};
export const CONFIG = { displaylogo: false, responsive: true, displayModeBar: false };
