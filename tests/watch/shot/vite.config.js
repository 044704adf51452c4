import { defineConfig } from 'vite';

export default defineConfig({
  build: { target: 'esnext', chunkSizeWarningLimit: 20000, sourcemap: false },
  define: { 'process.env': {}, global: 'globalThis' },
  esbuild: { jsx: 'automatic' },
});
