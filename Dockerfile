# docker build -t invariscope . && docker run -p 8501:8501 invariscope
FROM python:3.12-slim
WORKDIR /app
RUN pip install --no-cache-dir torch torchvision --index-url https://download.pytorch.org/whl/cpu
COPY . .
RUN pip install --no-cache-dir -e . && useradd --create-home app
USER app
EXPOSE 8501
HEALTHCHECK CMD python -c "import urllib.request as u; u.urlopen('http://localhost:8501/_stcore/health')"
CMD ["invariscope", "--host", "0.0.0.0", "--no-browser"]
